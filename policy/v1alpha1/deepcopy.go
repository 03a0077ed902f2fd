package v1alpha1

import (
	"maps"
	"slices"
)

// The methods here have the names and signatures that code generated for Kubernetes types calls.

// DeepCopyInto writes a copy of p into out that shares nothing with p.
func (p *EgressPolicy) DeepCopyInto(out *EgressPolicy) {
	*out = *p
	p.Metadata.DeepCopyInto(&out.Metadata)
	p.Spec.DeepCopyInto(&out.Spec)
}

// DeepCopy returns a copy that shares nothing with p; nil for nil.
func (p *EgressPolicy) DeepCopy() *EgressPolicy { return deepCopy(p, p.DeepCopyInto) }

// DeepCopyInto writes a copy of m into out that shares nothing with m.
func (m *Metadata) DeepCopyInto(out *Metadata) {
	*out = *m
	out.Labels = maps.Clone(m.Labels)
	out.Annotations = maps.Clone(m.Annotations)
}

// DeepCopy returns a copy that shares nothing with m; nil for nil.
func (m *Metadata) DeepCopy() *Metadata { return deepCopy(m, m.DeepCopyInto) }

// DeepCopyInto writes a copy of s into out that shares nothing with s.
func (s *EgressPolicySpec) DeepCopyInto(out *EgressPolicySpec) {
	*out = *s
	out.Clusters = slices.Clone(s.Clusters)
	out.Cluster = s.Cluster.DeepCopy()
	out.Sources = deepCopyList(s.Sources, (*Source).DeepCopyInto)
}

// DeepCopy returns a copy that shares nothing with s; nil for nil.
func (s *EgressPolicySpec) DeepCopy() *EgressPolicySpec { return deepCopy(s, s.DeepCopyInto) }

// DeepCopyInto writes a copy of s into out that shares nothing with s.
func (s *Section) DeepCopyInto(out *Section) {
	out.Allow = deepCopyList(s.Allow, (*Rule).DeepCopyInto)
	out.Deny = deepCopyList(s.Deny, (*Rule).DeepCopyInto)
	out.Within = deepCopyList(s.Within, (*Rule).DeepCopyInto)
}

// DeepCopy returns a copy that shares nothing with s; nil for nil.
func (s *Section) DeepCopy() *Section { return deepCopy(s, s.DeepCopyInto) }

// DeepCopyInto writes a copy of s into out that shares nothing with s.
func (s *Source) DeepCopyInto(out *Source) {
	*out = *s
	out.From = deepCopyList(s.From, (*Peer).DeepCopyInto)
	s.Section.DeepCopyInto(&out.Section)
}

// DeepCopy returns a copy that shares nothing with s; nil for nil.
func (s *Source) DeepCopy() *Source { return deepCopy(s, s.DeepCopyInto) }

// DeepCopyInto writes a copy of p into out that shares nothing with p.
func (p *Peer) DeepCopyInto(out *Peer) {
	out.Namespaces = slices.Clone(p.Namespaces)
	out.ServiceAccounts = slices.Clone(p.ServiceAccounts)
	out.NamespaceLabels = p.NamespaceLabels.DeepCopy()
	out.PodLabels = p.PodLabels.DeepCopy()
}

// DeepCopy returns a copy that shares nothing with p; nil for nil.
func (p *Peer) DeepCopy() *Peer { return deepCopy(p, p.DeepCopyInto) }

// DeepCopyInto writes a copy of r into out that shares nothing with r.
func (r *Rule) DeepCopyInto(out *Rule) {
	*out = *r
	out.Hosts = slices.Clone(r.Hosts)
	out.CIDRs = slices.Clone(r.CIDRs)
	out.Except = slices.Clone(r.Except)
	out.Ports = slices.Clone(r.Ports)
	out.Methods = slices.Clone(r.Methods)
	out.Paths = slices.Clone(r.Paths)
	out.OriginateTLS = r.OriginateTLS.DeepCopy()
}

// DeepCopy returns a copy that shares nothing with r; nil for nil.
func (r *Rule) DeepCopy() *Rule { return deepCopy(r, r.DeepCopyInto) }

// DeepCopyInto writes a copy of o into out.
func (o *TLSOrigination) DeepCopyInto(out *TLSOrigination) { *out = *o }

// DeepCopy returns a copy; nil for nil.
func (o *TLSOrigination) DeepCopy() *TLSOrigination { return deepCopy(o, o.DeepCopyInto) }

func deepCopy[T any](in *T, into func(*T)) *T {
	if in == nil {
		return nil
	}
	out := new(T)
	into(out)
	return out
}

// deepCopyList keeps nil and empty apart, which documents do.
func deepCopyList[T any](in []T, into func(in, out *T)) []T {
	if in == nil {
		return nil
	}
	out := make([]T, len(in))
	for i := range in {
		into(&in[i], &out[i])
	}
	return out
}
