package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/egresskit/egress/policy"
	"github.com/egresskit/egress/policy/v1alpha1"
	"github.com/egresskit/egress/render"
	"github.com/egresskit/egress/render/cilium"
	"github.com/egresskit/egress/render/clusternetworkpolicy"
	"github.com/egresskit/egress/render/gatewayapi"
	"github.com/egresskit/egress/render/istio"
	"github.com/egresskit/egress/render/networkpolicy"
)

// profile is what targets assume of the cluster; a profile file changes any of it.
type profile struct {
	Istio                istio.Profile                `json:"istio"`
	GatewayAPI           gatewayapi.Profile           `json:"gatewayapi"`
	NetworkPolicy        networkpolicy.Profile        `json:"networkpolicy"`
	Cilium               cilium.Profile               `json:"cilium"`
	ClusterNetworkPolicy clusternetworkpolicy.Profile `json:"clusternetworkpolicy"`
}

func defaultProfile() profile {
	return profile{istio.DefaultProfile(), gatewayapi.DefaultProfile(), networkpolicy.DefaultProfile(), cilium.DefaultProfile(), clusternetworkpolicy.DefaultProfile()}
}

// targets are the targets by name, in the order in which they are told.
var targets = []struct {
	name string
	new  func(profile) (render.Renderer, error)
}{
	{"istio", func(p profile) (render.Renderer, error) { return istio.New(p.Istio) }},
	{"gatewayapi", func(p profile) (render.Renderer, error) { return gatewayapi.New(p.GatewayAPI) }},
	{"networkpolicy", func(p profile) (render.Renderer, error) { return networkpolicy.New(p.NetworkPolicy) }},
	{"cilium", func(p profile) (render.Renderer, error) { return cilium.New(p.Cilium) }},
	{"clusternetworkpolicy", func(p profile) (render.Renderer, error) { return clusternetworkpolicy.New(p.ClusterNetworkPolicy) }},
}

func targetNames() []string {
	names := make([]string, len(targets))
	for i, t := range targets {
		names[i] = t.name
	}
	return names
}

// stack returns the renderers of the targets named, separated by commas, with the profile of a file; no name leaves the defaults. All mistakes of
// the file come back in one error.
func (in *inputs) stack(targets, profileFile string) (render.Stack, error) {
	p := defaultProfile()
	if profileFile == "" {
		return p.stack(targets)
	}
	file, err := in.file(profileFile)
	if err != nil {
		return nil, err
	}
	fields, err := v1alpha1.DecodeInto(file, &p)
	if err != nil {
		return nil, err
	}
	stack, err := p.stack(targets)
	found, ok := err.(policy.Diagnostics)
	if !ok {
		return stack, err
	}
	for i := range found {
		found[i].Position = fields.Position(found[i].Position.Field)
	}
	found.Sort()
	return nil, found
}

// stack returns the renderers of the targets named. All mistakes of the profiles of all of them come back in one error.
func (p profile) stack(names string) (render.Stack, error) {
	var stack render.Stack
	var found policy.Diagnostics
	var seen []string
	for name := range strings.SplitSeq(names, ",") {
		if slices.Contains(seen, name) {
			return nil, fmt.Errorf("--target: %s is named twice", name)
		}
		seen = append(seen, name)
		i := slices.Index(targetNames(), name)
		if i < 0 {
			return nil, fmt.Errorf("--target: no target %q; name one or more of %s, separated by commas", name, strings.Join(targetNames(), ", "))
		}
		r, err := targets[i].new(p)
		if wrong := policy.Diagnostics(nil); errors.As(err, &wrong) {
			found = append(found, wrong...)
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("profile: %w", err)
		}
		stack = append(stack, r)
	}
	return stack, found.Err()
}
