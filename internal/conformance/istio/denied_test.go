package istio

import (
	"net/netip"
	"slices"
	"testing"

	dfpclusterv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/clusters/dynamic_forward_proxy/v3"

	"github.com/egresskit/egress/internal/conformance/istio/objects"
	"github.com/egresskit/egress/internal/conformance/istio/pilot"
	"github.com/egresskit/egress/internal/conformance/istio/walk"
	"github.com/egresskit/egress/render"
	istiotarget "github.com/egresskit/egress/render/istio"
)

// TestDeniedAddresses follows names to the cluster of the gateway that looks them up, and asks it which addresses it refuses.
func TestDeniedAddresses(t *testing.T) {
	j := judgedBy(t, `
apiVersion: egresskit.io/v1alpha1
kind: EgressPolicy
metadata: {name: p}
spec:
  cluster:
    allow:
    - {name: tls, hosts: [a.example.com, "*.foo.com"]}
    - {name: http, hosts: [a.example.com, "*.foo.com"], protocol: HTTP}
    deny:
    - {name: partner, cidrs: [198.51.100.0/24, "2001:db8:1::/48"]}
`, func(*istiotarget.Profile) {}, render.Strict())
	objs, err := objects.Rendered(j.result.Objects)
	if err != nil {
		t.Fatal(err)
	}
	refused := map[string][]string{} // by cluster
	err = pilot.Run(j.world, objs, func(p *pilot.Pilot) error {
		for _, cl := range p.Gateway(0).Clusters {
			var d dfpclusterv3.ClusterConfig
			if cl.GetClusterType() == nil || cl.GetClusterType().GetTypedConfig().UnmarshalTo(&d) != nil {
				continue
			}
			for _, r := range d.GetDnsCacheConfig().GetResolvedAddressFilter().GetRanges() {
				refused[cl.GetName()] = append(refused[cl.GetName()], netip.PrefixFrom(netip.MustParseAddr(r.GetAddressPrefix()), int(r.GetPrefixLen().GetValue())).String())
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a.example.com", "x.foo.com"} {
		for port, b := range map[uint16]walk.Bytes{443: sni(name), 80: get(name)} {
			out, err := j.mesh.Honest(0, outsideAt(port), b)
			if err != nil {
				t.Fatal(err)
			}
			if !out.Reached() || out.Host != name {
				t.Fatalf("%v: %v", b, out)
			}
			cluster := out.Hops[len(out.Hops)-1].Cluster
			for _, want := range []string{"198.51.100.0/24", "2001:db8:1::/48", "169.254.0.0/16"} {
				if !slices.Contains(refused[cluster], want) {
					t.Errorf("%v leaves by %s, which refuses %v and not %s", b, cluster, refused[cluster], want)
				}
			}
		}
	}
}
