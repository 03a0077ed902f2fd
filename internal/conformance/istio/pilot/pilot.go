// Package pilot asks Istio's own configuration generator what proxies would be told about a set of objects in a world.
package pilot

import (
	"encoding/json"
	"fmt"
	"time"

	"istio.io/istio/pilot/pkg/config/kube/crd"
	"istio.io/istio/pilot/pkg/model"
	"istio.io/istio/pilot/test/xds"
	"istio.io/istio/pkg/config"
	"istio.io/istio/pkg/config/mesh"
	"istio.io/istio/pkg/config/schema/collections"
	"istio.io/istio/pkg/config/schema/gatewayapi"
	"istio.io/istio/pkg/config/schema/gvr"
	"istio.io/istio/pkg/config/schema/resource"
	_ "istio.io/istio/pkg/config/xds" // registers every Envoy type, so that configuration can be unpacked and printed
	"istio.io/istio/pkg/kube"
	"istio.io/istio/pkg/kube/kclient/clienttest"
	"istio.io/istio/pkg/test"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/egresskit/egress/internal/conformance/istio/objects"
	"github.com/egresskit/egress/internal/conformance/istio/walk"
	"github.com/egresskit/egress/internal/conformance/istio/world"
)

// IstioVersion is the version of the proxies, that of the Istio modules this module is built with. Pilot writes older proxies other
// configuration.
const IstioVersion = "1.31.1"

// A Pilot holds what Istio's discovery server knows of a world.
type Pilot struct {
	world  *world.World
	server *xds.FakeDiscoveryServer
}

// epoch is the age of objects that do not say theirs: Istio prefers older objects, so ages must not depend on the run.
var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// Run starts a discovery server on the objects in w, calls f with it, and stops it. Objects that Istio does not read are an error, since
// a misspelt kind would otherwise judge nothing. The server is of no use after f has returned.
func Run(w *world.World, objs []*objects.Object, f func(*Pilot) error) error {
	background, err := w.Objects()
	if err != nil {
		return err
	}
	if w.Ambient {
		if objs, err = settle(w, objs); err != nil {
			return err
		}
	}
	defer enterMode(w.Ambient)()
	options, err := fakeOptions(w, append(background, objs...))
	if err != nil {
		return err
	}
	var result error
	failed := test.Wrap(func(t test.Failer) {
		// The fake API server has no resource definitions for these, and Pilot would wait for them.
		options.KubeClientModifier = func(c kube.Client) {
			clienttest.MakeCRD(t, c, gvr.ListenerSet)
			clienttest.MakeCRD(t, c, gvr.BackendTLSPolicy)
		}
		result = f(&Pilot{w, xds.NewFakeDiscoveryServer(t, options)})
	})
	if failed != nil {
		return fmt.Errorf("discovery server: %w", failed)
	}
	return result
}

// The fake API server's resource definitions carry no bundle version, and Pilot would take them for ones too old to read.
func init() { clear(gatewayapi.MinimumCRDVersions) }

func fakeOptions(w *world.World, objs []*objects.Object) (xds.FakeOptions, error) {
	meshYAML := fmt.Sprintf("rootNamespace: %s\ntrustDomain: %s\n", w.RootNamespace(), w.Domain())
	if w.RegistryOnly {
		meshYAML += "outboundTrafficPolicy: {mode: REGISTRY_ONLY}\n"
	}
	m, err := mesh.ApplyMeshConfig(meshYAML, mesh.DefaultMeshConfig())
	if err != nil {
		return xds.FakeOptions{}, err
	}
	out := xds.FakeOptions{MeshConfig: m}
	for _, o := range objs {
		// Istio's own kinds go to its configuration store and all others to the API server, where the controller for Gateway API finds
		// them. That controller asks the API server for service entries too, and ambient mode for everything.
		c, err := istioConfig(o)
		if err != nil {
			return xds.FakeOptions{}, fmt.Errorf("%s %s/%s: %w", o.GetKind(), o.GetNamespace(), o.GetName(), err)
		}
		if c != nil {
			out.Configs = append(out.Configs, *c)
			if o.GetKind() != "ServiceEntry" && !w.Ambient {
				continue
			}
		}
		typed, err := kubeObject(o)
		if err != nil {
			return xds.FakeOptions{}, fmt.Errorf("%s %s/%s: %w", o.GetKind(), o.GetNamespace(), o.GetName(), err)
		}
		out.KubernetesObjects = append(out.KubernetesObjects, typed)
	}
	return out, nil
}

// istioConfig returns o as Istio's configuration model holds it, and nil when it is not one of Istio's own kinds.
func istioConfig(o *objects.Object) (*config.Config, error) {
	gvk := o.GroupVersionKind()
	schema, ok := collections.Pilot.FindByGroupVersionAliasesKind(resource.FromKubernetesGVK(&gvk))
	if !ok {
		return nil, nil
	}
	js, err := o.MarshalJSON()
	if err != nil {
		return nil, err
	}
	var kind crd.IstioKind
	if err := json.Unmarshal(js, &kind); err != nil {
		return nil, err
	}
	c, err := crd.ConvertObject(schema, &kind, "cluster.local")
	if err != nil {
		return nil, err
	}
	if c.Namespace == "" {
		return nil, fmt.Errorf("no namespace")
	}
	if c.CreationTimestamp.IsZero() {
		c.CreationTimestamp = epoch
	}
	return c, nil
}

func kubeObject(o *objects.Object) (runtime.Object, error) {
	js, err := o.MarshalJSON()
	if err != nil {
		return nil, err
	}
	typed, _, err := kube.IstioCodec.UniversalDeserializer().Decode(js, nil, nil)
	return typed, err
}

// Server returns the discovery server itself, for what this package does not ask it.
func (p *Pilot) Server() *xds.FakeDiscoveryServer { return p.server }

// SidecarProxy returns the i-th workload's sidecar as the discovery server knows it.
func (p *Pilot) SidecarProxy(i int) *model.Proxy {
	pod := p.world.Workloads[i]
	return p.proxy(&model.Proxy{
		Type:            model.SidecarProxy,
		ID:              world.WorkloadName(i) + "." + pod.Namespace,
		IPAddresses:     []string{p.world.WorkloadIP(i).String()},
		ConfigNamespace: pod.Namespace,
		Labels:          pod.Labels,
		Metadata: &model.NodeMetadata{
			ServiceAccount: pod.ServiceAccount,
			DNSCapture:     model.StringBool(p.world.DNSCapture),
		},
	})
}

// GatewayProxy returns the i-th gateway as the discovery server knows it.
func (p *Pilot) GatewayProxy(i int) *model.Proxy {
	g := p.world.Gateways[i]
	return p.proxy(&model.Proxy{
		Type:            model.Router,
		ID:              g.Name + "." + g.Namespace,
		IPAddresses:     []string{p.world.GatewayIP(i).String()},
		ConfigNamespace: g.Namespace,
		Labels:          g.Labels,
		Metadata:        &model.NodeMetadata{ServiceAccount: g.ServiceAccount},
	})
}

func (p *Pilot) proxy(proxy *model.Proxy) *model.Proxy {
	proxy.Metadata.IstioVersion = IstioVersion
	proxy.Metadata.ClusterID = world.ClusterID
	proxy.Metadata.Namespace = proxy.ConfigNamespace
	proxy.Metadata.Labels = proxy.Labels
	return p.server.SetupProxy(proxy)
}

// Sidecar returns the configuration of the i-th workload's sidecar.
func (p *Pilot) Sidecar(i int) walk.Config {
	return p.config(p.SidecarProxy(i), p.world.SPIFFE(p.world.Workloads[i]))
}

// Gateway returns the configuration of the i-th gateway.
func (p *Pilot) Gateway(i int) walk.Config {
	return p.config(p.GatewayProxy(i), p.world.GatewaySPIFFE(p.world.Gateways[i]))
}

func (p *Pilot) config(proxy *model.Proxy, identity string) walk.Config {
	listeners := p.server.Listeners(proxy)
	return walk.Config{
		Identity:  identity,
		Listeners: listeners,
		Clusters:  p.server.Clusters(proxy),
		Routes:    p.server.RoutesFromListeners(proxy, listeners),
		Endpoints: p.server.Endpoints(proxy),
	}
}
