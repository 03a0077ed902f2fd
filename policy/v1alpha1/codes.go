package v1alpha1

// Codes of the diagnostics of this package. They are stable: scripts and tests may depend on them.
const (
	CodeUnreadable     = "unreadable"      // the file can't be opened or read
	CodeTooLarge       = "too-large"       // the file, or a document's number of values or depth, is over the limit
	CodeNotText        = "not-text"        // binary, another encoding than UTF-8, or control characters
	CodeEmpty          = "empty"           // no document in the file
	CodeSyntax         = "syntax"          // not YAML
	CodeTabIndent      = "tab-indentation" // tabs where YAML takes blanks only
	CodeUnquoted       = "unquoted"        // a plain scalar that YAML reads as something else, such as *.foo.com or no
	CodeNotSupported   = "not-supported"   // anchors, aliases, merge keys, tags, directives
	CodeWrongKind      = "wrong-kind"      // apiVersion and kind are not those of this package
	CodeUnknownField   = "unknown-field"
	CodeDuplicateKey   = "duplicate-key"
	CodeWrongType      = "wrong-type"
	CodeNoValue        = "no-value"       // a key without a value, or null
	CodeRequired       = "required"       // a field that must be given is not
	CodeEmptyList      = "empty-list"     // a list is present but empty
	CodeConflict       = "conflict"       // fields that exclude each other, or a field where it has no meaning
	CodeForbidden      = "forbidden"      // what a policy with a namespace may not say
	CodeBadName        = "bad-name"       // of a policy, namespace, rule, source, cluster, account or credential
	CodeBadHost        = "bad-host"       //
	CodeBadPort        = "bad-port"       //
	CodeBadCIDR        = "bad-cidr"       //
	CodeBadExcept      = "bad-except"     // an exception outside the cidrs, or one that leaves nothing of them
	CodeBadProtocol    = "bad-protocol"   //
	CodeBadMode        = "bad-mode"       // of originateTLS
	CodeBadDate        = "bad-date"       //
	CodeBadText        = "bad-text"       // a reason or owner that is too long or holds control characters
	CodeBadSelector    = "bad-selector"   // label selectors
	CodeDuplicateName  = "duplicate-name" // two policies, or two rules or sources of a policy, of one name
	CodeTooManyErrors  = "too-many-errors"
	CodeNotExpressible = "not-expressible" // FromPolicy: the model says what the document can't
)
