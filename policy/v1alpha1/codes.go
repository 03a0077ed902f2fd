package v1alpha1

// Codes of the diagnostics about texts. They are stable: scripts and tests may depend on them.
const (
	CodeUnreadable    = "unreadable"      // the file can't be opened or read
	CodeTooLarge      = "too-large"       // a file, or a document's number of values or depth, over the limit
	CodeNotText       = "not-text"        // binary, another encoding than UTF-8, or control characters
	CodeEmpty         = "empty"           // no document in the file
	CodeSyntax        = "syntax"          // not YAML
	CodeTab           = "tab-indentation" // a tab where YAML takes blanks only
	CodeUnquoted      = "unquoted"        // a plain scalar that YAML reads as something else, such as *.foo.com or no
	CodeNotSupported  = "not-supported"   // anchors, aliases, merge keys, tags, directives; of DecodeInto, a second document
	CodeWrongKind     = "wrong-kind"      // apiVersion and kind are not those of this package
	CodeUnknownField  = "unknown-field"
	CodeDuplicateKey  = "duplicate-key"
	CodeWrongType     = "wrong-type"
	CodeNoValue       = "no-value"      // a key without a value, or null
	CodeMissingField  = "missing-field" // apiVersion, kind or spec
	CodeTooManyErrors = "too-many-errors"
)

// Codes of the diagnostics about what documents say. Where policy.Compile reports the same mistake in a policy that was built in Go, it
// does so by the same code.
const (
	CodeMissingName      = "missing-name"
	CodeBadName          = "bad-name"
	CodeBadNamespace     = "bad-namespace"
	CodeBadCluster       = "bad-cluster"
	CodeBadLabel         = "bad-label" // of metadata
	CodeDuplicatePolicy  = "duplicate-policy"
	CodeDuplicateSource  = "duplicate-source"
	CodeDuplicateRule    = "duplicate-rule"
	CodeClusterSection   = "cluster-section"   // in a policy with a namespace
	CodeForeignNamespace = "foreign-namespace" // in a policy with another one
	CodeMissingFrom      = "missing-from"      // or an entry of from that selects everything
	CodeBadSelector      = "bad-selector"
	CodeEmptyList        = "empty-list"
	CodeTooMany          = "too-many" // ports, methods or paths
	CodeEmptyWithin      = "empty-within"
	CodeNoDestination    = "no-destination"
	CodeTwoDestinations  = "hosts-and-addresses"
	CodeBadHost          = "bad-host"
	CodeBadCIDR          = "bad-cidr"
	CodeBadAddress       = "bad-address" // of DecodeInto
	CodeBadExcept        = "bad-except"  // outside cidrs, without them, or all of them
	CodeBadProtocol      = "bad-protocol"
	CodeSCTPByName       = "sctp-by-name"
	CodeMissingProtocol  = "missing-protocol"
	CodeBadPort          = "bad-port"
	CodeMissingPorts     = "missing-ports"
	CodeBadMethod        = "bad-method"
	CodeMethodsNotHTTP   = "methods-not-http"
	CodeBadPath          = "bad-path"
	CodePathsNotHTTP     = "paths-not-http"
	CodeOriginateDeny    = "originate-in-deny"
	CodeOriginateWithin  = "originate-in-within"
	CodeOriginateNotHTTP = "originate-not-http"
	CodeOriginatePort    = "originate-port"
	CodeOriginateMode    = "originate-mode"
	CodeCredential       = "originate-credential"
	CodeBadDate          = "bad-date"
	CodeBadText          = "bad-text"        // a reason or owner that is too long or holds control characters
	CodeNotExpressible   = "not-expressible" // FromPolicy: the model says what documents can't
)
