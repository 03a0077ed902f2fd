// Package render turns an engine into manifests for the systems that enforce it.
//
// Data flows one way: engine → [Plan] → [Renderer] → [Object]. The plan is the engine's rules specialised to one cluster. The framework
// compares each grant of the plan with the features that each renderer declares, keeps from a renderer what it cannot say, and accounts
// for every grant: it is in the objects or among the losses, never neither. What may only narrow is left out and reported; what would
// widen is an error unless the caller accepts it by name and with a reason.
package render
