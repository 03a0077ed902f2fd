package kube

import (
	"fmt"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	genericapirequest "k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	"k8s.io/kubernetes/pkg/apis/networking"
	_ "k8s.io/kubernetes/pkg/apis/networking/install" // registers the kinds
	"k8s.io/kubernetes/pkg/registry/networking/networkpolicy"

	"context"
)

// DecodeNetworkPolicy reads a manifest as the API server does: strictly, with defaults, validated for creation.
func DecodeNetworkPolicy(manifest []byte) (*networkingv1.NetworkPolicy, error) {
	codecs := serializer.NewCodecFactory(legacyscheme.Scheme, serializer.EnableStrict)
	obj, _, err := codecs.UniversalDeserializer().Decode(manifest, nil, nil)
	if err != nil {
		return nil, err
	}
	external, ok := obj.(*networkingv1.NetworkPolicy)
	if !ok {
		return nil, fmt.Errorf("%T is not a NetworkPolicy", obj)
	}
	legacyscheme.Scheme.Default(external)
	var internal networking.NetworkPolicy
	if err := legacyscheme.Scheme.Convert(external, &internal, nil); err != nil {
		return nil, err
	}
	ctx := genericapirequest.WithNamespace(context.Background(), external.Namespace)
	ctx = genericapirequest.WithRequestInfo(ctx, &genericapirequest.RequestInfo{IsResourceRequest: true, APIGroup: "networking.k8s.io", APIVersion: "v1", Resource: "networkpolicies", Namespace: external.Namespace})
	networkpolicy.Strategy.PrepareForCreate(ctx, &internal)
	if errs := networkpolicy.Strategy.Validate(ctx, &internal); len(errs) > 0 {
		return nil, errs.ToAggregate()
	}
	return external, nil
}
