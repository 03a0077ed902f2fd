// Package kube builds an [identity.Inventory] from what a Kubernetes cluster says of itself: from typed objects, such as a controller's
// cache holds, or from a dump of them in YAML or JSON, such as kubectl prints:
//
//	kubectl get namespaces,serviceaccounts,pods --all-namespaces -o yaml
//
// Pods that have ended are taken like others: what ran once is likely to run again.
package kube
