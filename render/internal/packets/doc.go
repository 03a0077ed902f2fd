// Package packets is what targets that judge packets share: who may reach what, worked out from a plan without the words of a target.
//
// Such targets know no server names and no protocols above TCP, UDP and SCTP. They learn the addresses of names from the answers of DNS, and what they allow adds
// up: nothing can be taken from a name that is allowed, but for addresses. So the classes of a plan, of which the most specific decides, are not for
// them to copy. [Work] turns them into allows that add up, and reports what cannot be said that way.
package packets
