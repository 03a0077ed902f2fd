package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/egresskit/egress/policy/v1alpha1"
	"github.com/egresskit/egress/render/cilium"
	"github.com/egresskit/egress/render/istio"
	"github.com/egresskit/egress/render/networkpolicy"
)

const (
	policyFile    = "../quickstart/policy.yaml"
	inventoryFile = "../quickstart/inventory.yaml"
	requestsFile  = "../quickstart/requests.jsonl"
)

// egressctl runs the command as main does.
func egressctl(t *testing.T, stdin string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	status = run(args, stdio{strings.NewReader(stdin), &out, &err})
	return status, out.String(), err.String()
}

// scenario is what the quickstart's requests must be answered.
var scenario = []string{
	`{"allowed":true,"rule":"storefront/foo"}`,
	`{"allowed":false}`,
	`{"allowed":true,"rule":"storefront/service1"}`,
	`{"allowed":true,"rule":"storefront/bar"}`,
	`{"allowed":false}`,
	`{"allowed":false}`,
	`{"allowed":true,"rule":"storefront/baz"}`,
	`{"allowed":true,"rule":"storefront/orders-database"}`,
	`{"allowed":false}`,
	`{"allowed":true,"rule":"storefront/cnn-http"}`,
	`{"allowed":false}`,
	`{"allowed":true,"rule":"storefront/cnn"}`,
	`{"allowed":false}`,
	`{"allowed":false}`,
}

func TestDecideRequests(t *testing.T) {
	status, out, stderr := egressctl(t, "", "decide", "--requests", requestsFile, policyFile)
	if status != exitDone || stderr != "" {
		t.Fatalf("status %d, standard error %q", status, stderr)
	}
	if diff := cmp.Diff(scenario, strings.Split(strings.TrimSpace(out), "\n")); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
}

// TestDecideOneByOne asks the same requests by flags: the answer and the exit status must agree with those of the requests file.
func TestDecideOneByOne(t *testing.T) {
	data, err := os.ReadFile(requestsFile)
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range strings.Split(strings.TrimSpace(string(data)), "\n") {
		var r request
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		args := []string{"decide", "--namespace", r.Source.Namespace, "--service-account", r.Source.ServiceAccount, "--protocol", r.Protocol,
			"--host", r.Host, "--port", jsonText(t, r.Port), "--address", r.Address, "-o", "json", policyFile}
		status, out, stderr := egressctl(t, "", args...)
		want := exitDenied
		if strings.Contains(scenario[i], "true") {
			want = exitDone
		}
		if status != want || strings.TrimSpace(out) != scenario[i] {
			t.Errorf("%s: status %d, %s%s; want %d, %s", line, status, out, stderr, want, scenario[i])
		}
	}
}

func jsonText(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestRequestsAreAnsweredLineByLine: a bad line is answered with an error, and the others are still answered.
func TestRequestsAreAnsweredLineByLine(t *testing.T) {
	good := `{"source":{"namespace":"shop","serviceAccount":"a"},"protocol":"TLS","host":"www.foo.com","port":443}`
	allowed := `{"allowed":true,"rule":"storefront/foo"}`
	bad := []string{
		``,
		`{`,
		`[]`,
		`null`,
		`{} {}`,
		good + `x`,
		strings.Replace(good, `"TLS"`, `"QUIC"`, 1),
		strings.Replace(good, `"TLS"`, `""`, 1),
		strings.Replace(good, `443`, `0`, 1),
		strings.Replace(good, `443`, `65536`, 1),
		strings.Replace(good, `443`, `"443"`, 1),
		strings.Replace(good, `www.foo.com`, `*.foo.com`, 1),
		strings.Replace(good, `www.foo.com`, `https://www.foo.com/`, 1),
		strings.Replace(good, `www.foo.com`, `10.0.0.1`, 1),
		strings.Replace(good, `"host"`, `"hots"`, 1),
		strings.Replace(good, `"namespace":"shop",`, ``, 1),
		strings.Replace(good, `"port"`, `"address":"203.0.113","port"`, 1),
		"\x00\xff",
		strings.Replace(good, `www`, strings.Repeat("a", 2*maxLine), 1),
	}
	var in strings.Builder
	for _, line := range bad {
		in.WriteString(line + "\n" + good + "\r\n")
	}
	in.WriteString(good) // the last line has no end
	status, out, stderr := egressctl(t, in.String(), "decide", "--requests", "-", policyFile)
	if status != exitDone || stderr != "" {
		t.Fatalf("status %d, standard error %q", status, stderr)
	}
	lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	if len(lines) != 2*len(bad)+1 {
		t.Fatalf("%d answers for %d lines", len(lines), 2*len(bad)+1)
	}
	for i, line := range lines {
		if i%2 == 0 && i/2 < len(bad) {
			var a answer
			if err := json.Unmarshal([]byte(line), &a); err != nil || a.Error == "" || a.Allowed != nil {
				t.Errorf("%.60q answered %q", bad[i/2], line)
			}
			continue
		}
		if line != allowed {
			t.Errorf("line %d answered %q", i, line)
		}
	}
}

func TestStandardInput(t *testing.T) {
	data, err := os.ReadFile(policyFile)
	if err != nil {
		t.Fatal(err)
	}
	if status, out, stderr := egressctl(t, string(data), "decide", "--requests", requestsFile, "-"); status != exitDone || !strings.HasPrefix(out, scenario[0]) {
		t.Errorf("status %d: %s%s", status, out, stderr)
	}
	if status, _, stderr := egressctl(t, string(data), "decide", "--requests", "-", "-"); status != exitBad || !strings.Contains(stderr, "standard input can be read once") {
		t.Errorf("status %d: %s", status, stderr)
	}
}

func TestBadUsage(t *testing.T) {
	for _, args := range [][]string{
		{},
		{"serve"},
		{"decide"},
		{"decide", "--requests", requestsFile},
		{"decide", "--requests", "no-such-file", policyFile},
		{"decide", "--requests", requestsFile, "no-such-file"},
		{"decide", "--namespace", "shop", "--host", "*.foo.com", "--port", "443", policyFile},
		{"decide", "--namespace", "shop", "--host", "www.foo.com", "--port", "70000", policyFile},
		{"decide", "--namespace", "shop", "--host", "www.foo.com", "--port", "443", "-o", "yaml", policyFile},
		{"decide", "--no-such-flag", policyFile},
		{"explain", policyFile},
		{"render", policyFile},
		{"render", "--target", "iptables", policyFile},
		{"render", "--target", "istio,istio", policyFile},
		{"render", "--target", "istio", "-o", "toml", policyFile},
		{"render", "--target", "istio", "--inventory", "no-such-file", policyFile},
		{"render", "--target", "istio", "--profile", "no-such-file", policyFile},
		{"lint"},
	} {
		status, out, stderr := egressctl(t, "", args...)
		if status != exitBad || out != "" || stderr == "" {
			t.Errorf("%v: status %d, standard output %.40q, standard error %.80q", args, status, out, stderr)
		}
	}
}

// TestUsageSaysWhatToWrite: a mistake in the flags is told in their words, and help is no mistake.
func TestUsageSaysWhatToWrite(t *testing.T) {
	for want, args := range map[string][]string{
		"--namespace: name the namespace":        {"decide", "--host", "www.foo.com", policyFile},
		"UDP has no default port":                {"decide", "--namespace", "shop", "--protocol", "UDP", "--address", "203.0.113.9", policyFile},
		"a number from 1 to 65535":               {"decide", "--namespace", "shop", "--host", "www.foo.com", "--port", "https", policyFile},
		`"203.0.113.9" is an IP address`:         {"decide", "--namespace", "shop", "--host", "203.0.113.9", policyFile},
		`write "www.foo.com"`:                    {"explain", "--namespace", "shop", "--host", "https://www.foo.com/", policyFile},
		`"tls" is not a protocol; write TLS`:     {"decide", "--namespace", "shop", "--host", "www.foo.com", "--protocol", "tls", policyFile},
		"name one or more of istio, gatewayapi,": {"render", policyFile},
	} {
		if status, _, stderr := egressctl(t, "", args...); status != exitBad || !strings.Contains(stderr, want) {
			t.Errorf("%v: status %d, standard error %q, want %q", args, status, stderr, want)
		}
	}
	for _, args := range [][]string{{"help"}, {"--help"}, {"lint", "--help"}, {"decide", "-h"}} {
		if status, out, stderr := egressctl(t, "", args...); status != exitDone || out != usage || stderr != "" {
			t.Errorf("%v: status %d: %s", args, status, stderr)
		}
	}
}

func TestExplainAndLint(t *testing.T) {
	status, out, _ := egressctl(t, "", "explain", "--namespace", "shop", "--service-account", "b", "--host", "x.y.foo.com", "--port", "443", policyFile)
	if status != exitDenied || !strings.Contains(out, "storefront/foo") || strings.HasSuffix(out, "\n\n") {
		t.Errorf("status %d: %s", status, out)
	}
	if status, _, stderr := egressctl(t, "", "lint", policyFile); status != exitDone {
		t.Errorf("status %d: %s", status, stderr)
	}
}

// TestFmt: the canonical form says the same, and is the canonical form of itself.
func TestFmt(t *testing.T) {
	_, first, stderr := egressctl(t, "", "fmt", policyFile)
	if first == "" {
		t.Fatal(stderr)
	}
	if _, second, _ := egressctl(t, first, "fmt", "-"); second != first {
		t.Errorf("(-first +second)\n%s", cmp.Diff(first, second))
	}
	_, want, _ := egressctl(t, "", "decide", "--requests", requestsFile, policyFile)
	if _, got, _ := egressctl(t, first, "decide", "--requests", requestsFile, "-"); got != want {
		t.Errorf("(-before +after)\n%s", cmp.Diff(want, got))
	}
}

// TestFmtSaysWhere: what compiling finds has its position in the file, and nothing is printed.
func TestFmtSaysWhere(t *testing.T) {
	text := "apiVersion: egresskit.io/v1alpha1\nkind: EgressPolicy\nmetadata: {name: team, namespace: shop}\nspec:\n  sources:\n" +
		"  - from: [{namespaceLabels: {matchLabels: {kubernetes.io/metadata.name: news}}}]\n    allow: [{hosts: [a.com]}]\n"
	status, out, stderr := egressctl(t, text, "fmt", "-")
	if status != exitBad || out != "" || !strings.HasPrefix(stderr, "<stdin>:6:") || !strings.Contains(stderr, "foreign-namespace") {
		t.Errorf("status %d, standard output %q: %s", status, out, stderr)
	}
}

// TestRequestErrors: a line that is no request is told what is wrong in words of the request.
func TestRequestErrors(t *testing.T) {
	for line, want := range map[string]string{
		`{"source":{"namespace":"shop"},"protocol":"TLS","host":"a.com","port":"443"}`: "port: a JSON string, not the int that is wanted",
		`{"source":{"namespace":7}}`:    "source.namespace: a JSON number, not the string that is wanted",
		`[]`:                            "not a request in JSON: ",
		`{"hosts":"a.com"}`:             `not a request in JSON: unknown field "hosts"`,
		`{"protocol":"TLS","port":443}`: "source.namespace: missing; name the namespace",
	} {
		if _, err := parseRequest([]byte(line)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v, want %s", line, err, want)
		}
	}
}

// TestLintFindings: a finding has its position and code on standard error, and is no mistake.
func TestLintFindings(t *testing.T) {
	text := "apiVersion: egresskit.io/v1alpha1\nkind: EgressPolicy\nmetadata: {name: wide}\nspec:\n  cluster:\n    allow:\n    - hosts: [\"*.co.uk\"]\n"
	status, out, stderr := egressctl(t, text, "lint", "-")
	if status != exitDone || out != "" || !strings.Contains(stderr, "public-suffix") || !strings.HasPrefix(stderr, "<stdin>:7:") {
		t.Errorf("status %d: %q %q", status, out, stderr)
	}
}

// TestMethodsAndPaths: a rule with methods and paths holds requests that have them alone.
func TestMethodsAndPaths(t *testing.T) {
	file := filepath.Join(t.TempDir(), "api.yaml")
	text := "apiVersion: egresskit.io/v1alpha1\nkind: EgressPolicy\nmetadata: {name: api}\nspec:\n  cluster:\n    allow:\n" +
		"    - {hosts: [api.foo.com], protocol: HTTP, methods: [GET], paths: [/v1/*]}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		method, path string
		want         int
	}{{"GET", "/v1/users", exitDone}, {"POST", "/v1/users", exitDenied}, {"GET", "/v2", exitDenied}, {"GET", "", exitDenied}, {"", "/v1/users", exitDenied}} {
		status, out, stderr := egressctl(t, "", "decide", "--namespace", "shop", "--protocol", "HTTP", "--host", "api.foo.com", "--method", c.method, "--path", c.path, file)
		if status != c.want {
			t.Errorf("%+v: status %d: %s%s", c, status, out, stderr)
		}
	}
}

var stacks = append(targetNames(), "istio,networkpolicy", "gatewayapi,networkpolicy")

// TestRenderIsStable renders each target twice, and from the policy split into documents that come in another order: the bytes are the same.
func TestRenderIsStable(t *testing.T) {
	split := splitPolicy(t)
	for _, target := range stacks {
		for _, format := range []string{"yaml", "json"} {
			var want [2]string
			for i, files := range [][]string{{policyFile}, {policyFile}} {
				status, out, stderr := egressctl(t, "", append([]string{"render", "--target", target, "--inventory", inventoryFile, "-o", format}, files...)...)
				if status != exitDone || out == "" {
					t.Fatalf("%s: status %d: %s", target, status, stderr)
				}
				got := [2]string{out, stderr}
				if i == 0 {
					want = got
				} else if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s %s: (-first +second)\n%s", target, format, diff)
				}
			}
			_, forward, _ := egressctl(t, "", append([]string{"render", "--target", target, "--inventory", inventoryFile, "-o", format}, split...)...)
			reversed := append([]string(nil), split...)
			for i, j := 0, len(reversed)-1; i < j; i, j = i+1, j-1 {
				reversed[i], reversed[j] = reversed[j], reversed[i]
			}
			_, backward, _ := egressctl(t, "", append([]string{"render", "--target", target, "--inventory", inventoryFile, "-o", format}, reversed...)...)
			if forward == "" || forward != backward {
				t.Errorf("%s %s: the order of files changes the manifests:\n%s", target, format, cmp.Diff(forward, backward))
			}
		}
	}
}

// splitPolicy writes three policies, one a file, and returns the files' names.
func splitPolicy(t *testing.T) []string {
	t.Helper()
	dir := t.TempDir()
	var files []string
	for name, spec := range map[string]string{
		"everyone": "  cluster:\n    allow:\n    - hosts: [\"*.bar.com\", service1.foo.com]\n",
		"a":        "  sources:\n  - name: a\n    from: [{namespaces: [shop], serviceAccounts: [a]}]\n    allow: [{hosts: [\"*.foo.com\"]}]\n    deny: [{hosts: [www.bar.com]}]\n",
		"b":        "  sources:\n  - name: b\n    from: [{namespaces: [shop], serviceAccounts: [b]}]\n    allow: [{hosts: [\"*.baz.com\"]}, {cidrs: [203.0.113.0/24], protocol: TCP, ports: [5432]}]\n",
	} {
		file := filepath.Join(dir, name+".yaml")
		if err := os.WriteFile(file, []byte("apiVersion: egresskit.io/v1alpha1\nkind: EgressPolicy\nmetadata: {name: "+name+"}\nspec:\n"+spec), 0o600); err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	return files
}

// TestLossesAreNamed: NetworkPolicy alone knows no names, and says so for each rule that has one.
func TestLossesAreNamed(t *testing.T) {
	_, out, stderr := egressctl(t, "", "render", "--target", "networkpolicy", "--inventory", inventoryFile, policyFile)
	for _, rule := range []string{"storefront/service1", "storefront/bar", "storefront/foo", "storefront/baz", "storefront/cnn", "storefront/cnn-http"} {
		if !lost(stderr, rule) {
			t.Errorf("no loss for %s in:\n%s", rule, stderr)
		}
	}
	if lost(stderr, "storefront/orders-database") || !strings.Contains(out, "203.0.113.0/24") {
		t.Error("the database network is lost")
	}
	status, out, stderr := egressctl(t, "", "render", "--target", "networkpolicy", "--inventory", inventoryFile, "--strict", policyFile)
	if status != exitBad || out != "" || !strings.Contains(stderr, "storefront/foo") {
		t.Errorf("--strict: status %d, %d bytes of manifests: %s", status, len(out), stderr)
	}
}

// TestAccept: a deny that the target can't say fails the rendering, until it is accepted by name and with a reason.
func TestAccept(t *testing.T) {
	text := `
apiVersion: egresskit.io/v1alpha1
kind: EgressPolicy
metadata: {name: shop}
spec:
  sources:
  - from: [{namespaces: [shop]}]
    allow: [{cidrs: [203.0.113.0/24], protocol: TCP, ports: [5432]}]
    deny: [{name: no-uploads, hosts: [files.foo.com]}]
`
	for _, c := range []struct {
		accept []string
		status int
		want   string
	}{
		{nil, exitBad, "accept"},
		{[]string{"--accept", "shop/no-uploads"}, exitBad, "a reason"},
		{[]string{"--accept", "shop/other=ticket 7"}, exitBad, "shop/no-uploads"},
		{[]string{"--accept", "shop/no-uploads=ticket 7", "--accept", "shop/other=ticket 8"}, exitDone, "unneeded: --accept shop/other: nothing"},
		{[]string{"--accept", "shop/no-uploads=ticket 7"}, exitDone, "loss: <stdin>:9:12: spec.sources[0].deny[0]: rule shop/no-uploads"},
	} {
		status, out, stderr := egressctl(t, text, append(append([]string{"render", "--target", "networkpolicy"}, c.accept...), "-")...)
		if status != c.status || (out != "") != (status == exitDone) || !strings.Contains(stderr, c.want) {
			t.Errorf("%v: status %d, %d bytes of manifests: %s", c.accept, status, len(out), stderr)
		}
		if status == exitDone && !strings.Contains(out, "egresskit.io/accepted-wider: 'shop/no-uploads: ticket 7'") {
			t.Errorf("the manifests do not say what is accepted:\n%s", out)
		}
	}
}

// lost reports whether a loss names the rule.
func lost(stderr, rule string) bool {
	for line := range strings.Lines(stderr) {
		if strings.HasPrefix(line, "loss: ") && strings.Contains(line, "rule "+rule+" ") {
			return true
		}
	}
	return false
}

// TestWrongDocuments renders nothing and reports everything.
func TestWrongDocuments(t *testing.T) {
	dir := t.TempDir()
	one, two := filepath.Join(dir, "one.yaml"), filepath.Join(dir, "two.yaml")
	head := "apiVersion: egresskit.io/v1alpha1\nkind: EgressPolicy\nmetadata: {name: "
	for file, text := range map[string]string{
		one: head + "one}\nspec:\n  cluster:\n    allow:\n    - hosts: [\"*foo.com\"]\n      prots: [443]\n",
		two: head + "two}\nspec:\n  sources:\n  - name: x\n    allow:\n    - hosts: [10.0.0.1]\n      ports: [0]\n",
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{{"render", "--target", "istio"}, {"decide", "--requests", requestsFile}, {"lint"}} {
		status, out, stderr := egressctl(t, "", append(args, one, two)...)
		if status != exitBad || out != "" {
			t.Errorf("%v: status %d, standard output %q", args, status, out)
		}
		for _, want := range []string{one + ":7:", one + ":8:", two + ":6:", two + ":8:", two + ":9:"} {
			if !strings.Contains("\n"+stderr, "\n"+want) {
				t.Errorf("%v: no finding at %s in:\n%s", args, want, stderr)
			}
		}
	}
}

// TestProfileMistakes: mistakes of a profile are told as those of policies are, with all others and with their places.
func TestProfileMistakes(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	wrong := write("policy.yaml", "apiVersion: egresskit.io/v1alpha1\nkind: EgressPolicy\nmetadata: {name: p}\nspec: {clutser: {}}\n")
	for text, want := range map[string][]string{
		// What can't be read.
		"istio:\n  version: 1.31\n  gatway: {}\n  gateway:\n    tls: {port: yes}\ncilium: {dns: {ports: [70000]}}\n": {
			`:2:12: istio.version: error unquoted: 1.31 is a number`, `:3:3: istio.gatway: error unknown-field: unknown field "gatway"; did you mean gateway?`,
			`:5:17: istio.gateway.tls.port: error wrong-type: the text "yes" where a whole number is wanted`, `:6:24: cilium.dns.ports[0]: error wrong-type: the number 70000 is out of range`,
		},
		// What can be read and does not go together, of every target that is asked for.
		"istio:\n  version: \"1.2\"\n  gateway:\n    podLabels: {}\nnetworkpolicy:\n  dns: {namespace: a.b}\n  unfiltered: [x, A]\ncilium: {version: x}\n": {
			":2:12: istio.version: error bad-profile: ", ":4:16: istio.gateway.podLabels: error bad-profile: ",
			":6:20: networkpolicy.dns.namespace: error bad-profile: ", ":7:19: networkpolicy.unfiltered[1]: error bad-profile: ",
		},
	} {
		name := write("profile.yaml", text)
		status, out, stderr := egressctl(t, "", "render", "--target", "istio,networkpolicy", "--profile", name, wrong)
		want = append([]string{wrong + `:4:8: spec.clutser: error unknown-field: unknown field "clutser"; did you mean cluster?`}, prefixed(name, want)...)
		slices.Sort(want)
		got := strings.Split(strings.TrimSuffix(stderr, "\n"), "\n")
		slices.Sort(got)
		if status != exitBad || out != "" || !slices.EqualFunc(got, want, strings.HasPrefix) {
			t.Errorf("%s\nstatus %d, standard output %q, standard error\n%s", text, status, out, stderr)
		}
	}
}

func prefixed(with string, list []string) (out []string) {
	for _, s := range list {
		out = append(out, with+s)
	}
	return out
}

// TestProfileReadsWhatIsWritten: a profile that is written out and read into the defaults is itself.
func TestProfileReadsWhatIsWritten(t *testing.T) {
	want := defaultProfile()
	want.Istio.Gateway.PodLabels = istio.Labels{"istio": "mine"}
	want.NetworkPolicy.Unroutable = networkpolicy.NotPublic()
	want.Cilium.APIServer = &cilium.Endpoint{Addresses: networkpolicy.NotPublic()[:1], Ports: []uint16{6443}}
	text, err := yaml.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	got := defaultProfile()
	if _, err := v1alpha1.DecodeInto(v1alpha1.File{Name: "profile.yaml", Reader: bytes.NewReader(text)}, &got); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	again, err := yaml.Marshal(got)
	if err != nil || string(again) != string(text) {
		t.Errorf("%v (-want +got)\n%s", err, cmp.Diff(string(text), string(again)))
	}
}
