// Package render turns an engine into manifests for the systems that enforce it.
//
// Data flows one way: engine → [Plan] → [Renderer] → [Object]. The plan is the engine's rules specialised to one cluster. The framework
// compares each grant of the plan with the features that each renderer declares, keeps from a renderer what it cannot say, and accounts
// for every grant: it is in the objects or among the losses, never neither. What may only narrow is left out and reported; what would
// widen is an error unless the caller accepts it by name and with a reason.
//
// # Classes
//
// Allows add up, denies take away, and order never matters; but targets pick the most specific name first, and few can deny. A renderer
// that goes rule by rule would narrow one source or widen another. So a plan offers classes: [Plan.NameClasses] parts the names, and
// [Plan.AddressClasses] the addresses, by who may reach them, with denies and boundaries applied. What is left for some targets to do
// themselves stands in a class as its Denies, and is there only for targets that declare it.
//
// # Stacks
//
// Layers of a [Stack] must each let a request pass. One that says an allow exactly can lean on another that only lets it pass, and the other way
// round for another allow, as long as on each port some layer says all that is allowed there exactly: else what is wider in both
// layers would pass. What takes away has to be said where what it takes from is said exactly.
//
// # Writing a renderer
//
// A renderer is three methods; the rest is optional and found by type: [Exempter], [Refiner], [Gatekeeper], [Warden]. Package rendertest proves
// that it is faithful, and has a whole target as its example.
package render
