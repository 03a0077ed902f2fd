// Package kube judges rendered objects by engines that this project did not write: the API server's validation of NetworkPolicy, cyclonus'
// matcher and Cilium's policy engine, and the schemas of CustomResourceDefinitions with their rules in CEL. In the long
// run, with EGRESS_LONG=1, a real API server is started on loopback, and takes all of it server-side.
package kube
