package render

// A Refiner is a Renderer that cannot tell by features alone how well it says a grant, because what it can say of one feature depends on
// another: addresses exactly for whole namespaces, say, and wider for service accounts.
type Refiner interface {
	// Refine is asked about each allow of a plan whose features the target declares, before rendering. It returns Same or Wider as in
	// [Features], or zero when the target cannot say the grant at all; and for anything but Same the feature that is lost and why. It
	// does not look at other grants, and never makes better what the features say.
	Refine(p *Plan, g *Grant) (f Fidelity, lost Feature, why string)
}
