package imports

// A layer says what packages may import besides the standard library. A path that ends in /... stands for itself and all below it;
// of several layers, the closest counts. A package may always import what is in an internal directory of its own.
type layer struct {
	packages string
	own      []string // of this module
	others   []string // of other modules
	why      string
}

var (
	model   = []string{"match", "identity", "policy"}
	words   = "internal/wording"
	targets = append([]string{"render", "render/internal/...", words}, model...)
	objects = []string{"k8s.io/api/...", "k8s.io/apimachinery/..."} // typed Kubernetes objects
)

var layers = []layer{
	{"match", nil, []string{"github.com/gobwas/glob", "github.com/gaissmai/bart", "golang.org/x/net/idna"},
		"names and addresses stand at the bottom: who wants a matcher gets nothing else"},
	{"identity", nil, []string{"github.com/gobwas/glob", "k8s.io/apimachinery/pkg/apis/meta/v1", "k8s.io/apimachinery/pkg/labels",
		"k8s.io/apimachinery/pkg/selection", "k8s.io/apimachinery/pkg/util/validation"},
		"sources stand at the bottom, beside match, and read label selectors as Kubernetes does"},
	{"identity/kube", []string{"identity", words}, append([]string{"go.yaml.in/yaml/v3"}, objects...),
		"it turns a cluster's objects into an inventory, and knows nothing of policies"},
	{"policy", []string{"match", "identity"}, nil,
		"the model is pure: front ends stand above it, and so do targets"},
	{"policy/lint", model, []string{"golang.org/x/net/publicsuffix"},
		"findings are advice about policies, whatever document they come from, and no part of a decision"},
	{"policy/v1alpha1", append([]string{words}, model...), append([]string{"go.yaml.in/yaml/v3", "sigs.k8s.io/yaml"}, objects...),
		"a document is one front end of the model, and no target depends on it"},
	{"render", append([]string{words}, model...), []string{"sigs.k8s.io/yaml"},
		"the framework knows no target, and no document"},
	{"render/...", targets, objects,
		"a target stands alone: what two of them share lives below them, and it brings no types but its own"},
	{"render/internal/registry", nil, []string{"istio.io/api/..."},
		"it is what the targets with sidecars share, and knows nothing of policies"},
	{"render/istio", targets, append([]string{"istio.io/api/...", "google.golang.org/protobuf/...", "sigs.k8s.io/gateway-api/..."}, objects...),
		"a target stands alone: what two of them share lives below them, and it brings no types but its own"},
	{"render/gatewayapi", targets, append([]string{"istio.io/api/...", "google.golang.org/protobuf/...", "sigs.k8s.io/gateway-api/..."}, objects...),
		"a target stands alone: what two of them share lives below them, and it brings no types but its own"},
	{"render/clusternetworkpolicy", targets, append([]string{"sigs.k8s.io/network-policy-api/..."}, objects...),
		"a target stands alone: what two of them share lives below them, and it brings no types but its own"},
	{"render/rendertest", append([]string{"internal/gen", "internal/reference"}, targets...), []string{"pgregory.net/rapid", "github.com/google/go-cmp/..."},
		"the kit judges any target, so it knows none"},
	{words, nil, nil,
		"it is for every package that tells a number"},
	{"internal/...", []string{"match", "identity/...", "policy/...", "render/...", "internal/..."}, []string{"pgregory.net/rapid", "github.com/google/go-cmp/...",
		"go.yaml.in/yaml/v3", "sigs.k8s.io/yaml", "k8s.io/api/...", "k8s.io/apimachinery/..."},
		"examples are for reading, nothing is built on them"},
	{"examples/...", []string{"match", "identity/...", "policy/...", "render/...", "examples/..."}, append([]string{"go.yaml.in/yaml/v3", "sigs.k8s.io/yaml"}, objects...),
		"an example does what a user can do, who sees no internal package; one with more dependencies is a module of its own"},
}

// A ban says what no package may import outside of tests, whatever its layer allows.
type ban struct {
	imports []string
	in      []string // where it holds
	except  []string // packages that may
	why     string
}

var everywhere = []string{"match/...", "identity/...", "policy/...", "render/...", "internal/...", "examples/..."}

var bans = []ban{
	{[]string{"testing/...", "pgregory.net/rapid", "github.com/google/go-cmp/..."}, everywhere, []string{"render/rendertest", "internal/gen/...", "internal/golden/..."},
		"they register flags or may panic, and do not belong into a user's program"},
	{[]string{"log/...", "k8s.io/klog/...", "github.com/go-logr/..."}, everywhere, nil,
		"findings are values: a library has no say in where its user's program writes"},
	{[]string{"context"}, []string{"match/...", "identity/...", "policy/..."}, nil,
		"below render there is only computation, and nothing to wait for or to cancel"},
	{[]string{module + "/render/rendertest", module + "/internal/gen/...", module + "/internal/reference/...", module + "/internal/golden/..."},
		everywhere, []string{"render/rendertest", "internal/..."},
		"it is for tests, and brings what is for tests"},
}

// whyNoInit is why no package has a func init.
const whyNoInit = "importing a package must have no effect"

// topLevel is what stands at the top of the repository, besides files and directories whose names begin with a dot.
var topLevel = []string{
	"policy", "match", "render", "identity", "examples", "internal", "go.mod", "go.sum", "README.md", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md",
}

const whyTopLevel = "the top level is the table of contents; put it where it belongs"

// untracked are directories and file endings at the top level that .gitignore names.
var untracked = []string{"bin", ".test", ".prof"}
