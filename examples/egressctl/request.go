package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"

	"github.com/egresskit/egress/identity"
	"github.com/egresskit/egress/match"
	"github.com/egresskit/egress/policy"
)

// request is a line of a requests file.
type request struct {
	Source   identity.Workload `json:"source"`
	Protocol string            `json:"protocol"`
	Host     string            `json:"host"`
	Port     int               `json:"port"`
	Address  string            `json:"address"`
	Method   string            `json:"method"`
	Path     string            `json:"path"`
}

// parseRequest reads one line of a requests file. Unknown fields and anything after the object are errors.
func parseRequest(line []byte) (policy.Request, error) {
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	var r request
	if err := d.Decode(&r); err != nil {
		if errors.Is(err, io.EOF) {
			return policy.Request{}, errors.New("empty line: write one JSON object a line")
		}
		if t := (*json.UnmarshalTypeError)(nil); errors.As(err, &t) && t.Field != "" {
			return policy.Request{}, fmt.Errorf("%s: a JSON %s, not the %s that is wanted", t.Field, t.Value, t.Type)
		}
		return policy.Request{}, fmt.Errorf("not a request in JSON: %s", strings.TrimPrefix(err.Error(), "json: "))
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return policy.Request{}, errors.New("more than one JSON object in the line")
	}
	return r.parse()
}

// parse checks the fields. An empty host is no host, which is a request that host rules never match, not a mistake.
func (r request) parse() (policy.Request, error) {
	out := policy.Request{Source: r.Source, Access: policy.Access{Method: r.Method, Path: r.Path}}
	if r.Source.Namespace == "" {
		return policy.Request{}, errors.New("source.namespace: missing; name the namespace of the source")
	}
	var err error
	if out.Protocol, err = policy.ParseProtocol(r.Protocol); err != nil {
		return policy.Request{}, fmt.Errorf("protocol: %w", err)
	}
	if r.Port < 1 || r.Port > 65535 {
		return policy.Request{}, fmt.Errorf("port: %d is not a port; write a number from 1 to 65535", r.Port)
	}
	out.Port = uint16(r.Port)
	if r.Host != "" {
		if _, notAddress := netip.ParseAddr(r.Host); notAddress == nil {
			return policy.Request{}, fmt.Errorf("host: %q is an IP address; give it as the address", r.Host)
		}
		if out.Host, err = match.ParseHost(r.Host); err != nil {
			return policy.Request{}, fmt.Errorf("host: %w", err)
		}
	}
	if r.Address != "" {
		if out.Address, err = netip.ParseAddr(r.Address); err != nil {
			return policy.Request{}, fmt.Errorf("address: %q is not an IP address", r.Address)
		}
	}
	return out, nil
}
