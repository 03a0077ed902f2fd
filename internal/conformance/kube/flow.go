package kube

import (
	"net/netip"

	corev1 "k8s.io/api/core/v1"
)

// A World is a cluster and what lies outside it.
type World struct {
	Namespaces []Namespace
	Pods       []Pod
	Outside    []netip.Addr          // addresses that flows go to
	Names      map[netip.Addr]string // that DNS has given addresses outside for
}

// A Namespace of a world. Its name is among its labels, as the API server sees to.
type Namespace struct {
	Name   string
	Labels map[string]string
}

// A Pod of a world.
type Pod struct {
	Namespace, Name, ServiceAccount string
	Labels                          map[string]string
	Address                         netip.Addr
}

// namespace returns the labels of a pod's namespace.
func (w *World) namespace(name string) map[string]string {
	labels := map[string]string{corev1.LabelMetadataName: name}
	for _, n := range w.Namespaces {
		if n.Name == name {
			for k, v := range n.Labels {
				labels[k] = v
			}
		}
	}
	return labels
}

// A Flow goes from a pod of the world to another one, or to an address outside.
type Flow struct {
	From     *Pod
	To       *Pod       // nil: to Address
	Address  netip.Addr // outside
	Protocol corev1.Protocol
	Port     uint16
}

// A Judge says whether the objects it was made of let a flow out of its pod.
type Judge interface {
	Name() string
	Egress(Flow) (bool, error)
}
