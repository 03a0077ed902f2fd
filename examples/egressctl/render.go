package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/egresskit/egress/render"
	"github.com/egresskit/egress/render/gatewayapi"
	"github.com/egresskit/egress/render/istio"
	"github.com/egresskit/egress/render/networkpolicy"
)

// profile is what targets assume of the cluster; a profile file changes any of it.
type profile struct {
	Istio         istio.Profile         `json:"istio"`
	GatewayAPI    gatewayapi.Profile    `json:"gatewayapi"`
	NetworkPolicy networkpolicy.Profile `json:"networkpolicy"`
}

const maxProfile = 1 << 20

// profile returns the defaults with what the file changes; no name leaves the defaults.
func (in *inputs) profile(name string) (profile, error) {
	p := profile{istio.DefaultProfile(), gatewayapi.DefaultProfile(), networkpolicy.DefaultProfile()}
	if name == "" {
		return p, nil
	}
	data, err := in.read(name, maxProfile)
	if err != nil {
		return profile{}, err
	}
	if len(data) > maxProfile {
		return profile{}, fmt.Errorf("profile %s: longer than %d bytes", name, maxProfile)
	}
	if err := yaml.UnmarshalStrict(data, &p); err != nil {
		return profile{}, fmt.Errorf("profile %s: %w", name, err)
	}
	return p, nil
}

// stack returns the renderers of the targets named.
func (p profile) stack(targets string) (render.Stack, error) {
	if targets == "" {
		return nil, errors.New("--target: name istio, gatewayapi, networkpolicy, or several joined by commas")
	}
	names := strings.Split(targets, ",")
	var stack render.Stack
	for i, name := range names {
		if slices.Contains(names[:i], name) {
			return nil, fmt.Errorf("--target: %s is named twice", name)
		}
		var r render.Renderer
		var err error
		switch name {
		case "istio":
			r, err = istio.New(p.Istio)
		case "gatewayapi":
			r, err = gatewayapi.New(p.GatewayAPI)
		case "networkpolicy":
			r, err = networkpolicy.New(p.NetworkPolicy)
		default:
			return nil, fmt.Errorf("--target: no target %q; there are istio, gatewayapi and networkpolicy", name)
		}
		if err != nil {
			return nil, fmt.Errorf("profile: %w", err)
		}
		stack = append(stack, r)
	}
	return stack, nil
}

func renderCommand(args []string, std stdio) (int, error) {
	fs := flag.NewFlagSet("render", flag.ContinueOnError)
	target := fs.String("target", "", "one target, or several joined by commas")
	cluster := fs.String("cluster", "", "name of the cluster")
	inventory := fs.String("inventory", "", "dump of namespaces, service accounts and pods")
	profileFile := fs.String("profile", "", "what the targets assume of the cluster")
	strict := fs.Bool("strict", false, "fail on any loss")
	format := fs.String("o", "yaml", "yaml or json")
	files, err := parse(fs, args)
	if err != nil {
		return exitBad, err
	}
	if err := output(*format, "yaml", "json"); err != nil {
		return exitBad, err
	}
	in := inputs{stdin: std.in}
	profile, err := in.profile(*profileFile)
	if err != nil {
		return exitBad, err
	}
	stack, err := profile.stack(*target)
	if err != nil {
		return exitBad, err
	}
	inv, err := in.inventory(*inventory)
	if err != nil {
		return exitBad, err
	}
	engine, err := in.compile(files)
	if err != nil {
		return exitBad, err
	}
	var opts []render.Option
	if *strict {
		opts = append(opts, render.Strict())
	}
	result, err := render.Render(render.NewPlan(engine, *cluster, render.WithInventory(inv)), stack, opts...)
	if err != nil {
		return exitBad, err
	}
	// Encode before writing anything, so that an error leaves no half of a manifest behind.
	var out bytes.Buffer
	write := render.WriteYAML
	if *format == "json" {
		write = render.WriteJSON
	}
	if err := write(&out, result.Objects); err != nil {
		return exitBad, err
	}
	report(std.err, result)
	_, err = std.out.Write(out.Bytes())
	return exitDone, err
}

// report writes what a reader of the manifests must know.
func report(w io.Writer, r *render.Result) {
	for _, l := range r.Losses {
		fmt.Fprintf(w, "loss: %s\n", l)
	}
	for _, a := range r.Assumptions {
		fmt.Fprintf(w, "assumption: %s\n", a)
	}
	for _, a := range r.Assurances {
		fmt.Fprintf(w, "assurance: %s\n", a)
	}
}
