package main

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"github.com/cedar-policy/cedar-go"
	"github.com/gobwas/glob"
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
)

// prepareGlobs keeps compiled globs by source and tries those of the source, and then those of everyone. Without separators, '*' crosses
// dots, and stands for one or more labels because hosts do not begin with a dot.
func prepareGlobs(w world) (func() ([]ask, error), error) {
	rules, hosts := w.rules(), w.hosts()
	return func() ([]ask, error) {
		globs := map[string][]*glob.Pattern{}
		for _, r := range rules {
			g, err := glob.Compile(r.pattern)
			if err != nil {
				return nil, err
			}
			globs[r.source] = append(globs[r.source], g)
		}
		bySource := [asking][]*glob.Pattern{globs[source(0)], globs[source(1)]}
		return one(func(s, h int) bool {
			for _, list := range [...][]*glob.Pattern{bySource[s], globs[""]} {
				for _, g := range list {
					if g.Match(hosts[h]) {
						return true
					}
				}
			}
			return false
		}), nil
	}, nil
}

// regoGlobs is how the documentation of OPA would have it written.
const regoGlobs = `package egress

default allow := false

allow if {
	some pattern in data.patterns[input.source]
	glob.match(pattern, null, input.host)
}

allow if {
	some pattern in data.patterns.everyone
	glob.match(pattern, null, input.host)
}
`

// regoSuffixes is how somebody who knows what OPA looks up by key would write it.
const regoSuffixes = `package egress

default allow := false

allow if data.exact[input.source][input.host]

allow if data.exact.everyone[input.host]

allow if {
	some suffix in suffixes
	data.below[input.source][suffix]
}

allow if {
	some suffix in suffixes
	data.below.everyone[suffix]
}

suffixes contains suffix if {
	labels := split(input.host, ".")
	some i in numbers.range(1, count(labels) - 1)
	suffix := concat(".", array.slice(labels, i, count(labels)))
}
`

func prepareRegoGlobs(w world) (func() ([]ask, error), error) {
	patterns := map[string]any{}
	for _, r := range w.rules() {
		list, _ := patterns[everyone(r.source)].([]any)
		patterns[everyone(r.source)] = append(list, r.pattern)
	}
	return prepare(w, regoGlobs, map[string]any{"patterns": patterns})
}

func prepareRegoSuffixes(w world) (func() ([]ask, error), error) {
	exact, below := map[string]any{}, map[string]any{}
	for _, r := range w.rules() {
		in, host := exact, r.pattern
		if suffix, ok := strings.CutPrefix(r.pattern, "*."); ok {
			in, host = below, suffix
		}
		set, ok := in[everyone(r.source)].(map[string]any)
		if !ok {
			set = map[string]any{}
			in[everyone(r.source)] = set
		}
		set[host] = true
	}
	return prepare(w, regoSuffixes, map[string]any{"exact": exact, "below": below})
}

func everyone(source string) string {
	if source == "" {
		return "everyone"
	}
	return source
}

func prepare(w world, module string, data map[string]any) (func() ([]ask, error), error) {
	ctx := context.Background()
	var inputs [asking][]ast.Value
	for s := range inputs {
		for _, h := range w.hosts() {
			input, err := ast.InterfaceToValue(map[string]any{"source": source(s), "host": h})
			if err != nil {
				return nil, err
			}
			inputs[s] = append(inputs[s], input)
		}
	}
	return func() ([]ask, error) {
		store := inmem.NewFromObjectWithOpts(data, inmem.OptReturnASTValuesOnRead(true))
		query, err := rego.New(rego.Query("data.egress.allow"), rego.Module("egress.rego", module), rego.Store(store)).PrepareForEval(ctx)
		return one(func(s, h int) bool {
			result, err := query.Eval(ctx, rego.EvalParsedInput(inputs[s][h]))
			return err == nil && result.Allowed()
		}), err
	}, nil
}

// prepareCedar writes exact hosts into the scope, where Cedar compares them first, and wildcards as conditions.
func prepareCedar(w world) (func() ([]ask, error), error) {
	var text bytes.Buffer
	for _, r := range w.rules() {
		principal := "principal"
		if r.source != "" {
			principal = fmt.Sprintf("principal == Workload::%q", r.source)
		}
		if strings.HasPrefix(r.pattern, "*") {
			fmt.Fprintf(&text, "permit (%s, action == Action::\"connect\", resource) when { context.host like %q };\n", principal, r.pattern)
		} else {
			fmt.Fprintf(&text, "permit (%s, action == Action::\"connect\", resource == Host::%q);\n", principal, r.pattern)
		}
	}
	var requests [asking][]cedar.Request
	for s := range requests {
		for _, h := range w.hosts() {
			requests[s] = append(requests[s], cedar.Request{
				Principal: cedar.NewEntityUID("Workload", cedar.String(source(s))), Action: cedar.NewEntityUID("Action", "connect"),
				Resource: cedar.NewEntityUID("Host", cedar.String(h)), Context: cedar.NewRecord(cedar.RecordMap{"host": cedar.String(h)}),
			})
		}
	}
	return func() ([]ask, error) {
		policies, err := cedar.NewPolicySetFromBytes("egress.cedar", text.Bytes())
		return one(func(s, h int) bool {
			decision, _ := cedar.Authorize(policies, cedar.EntityMap{}, requests[s][h])
			return decision == cedar.Allow
		}), err
	}, nil
}
