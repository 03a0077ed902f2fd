// Package policy holds the model of egress policy: rules that allow or deny selected sources to reach destinations outside the cluster,
// boundaries that limit what rules may allow, and the engine that decides requests and explains its decisions.
//
// What no rule allows is denied; a deny beats an allow; order never matters. Policies are plain data until [Compile] checks them and
// makes an immutable [Engine] of copies.
package policy
