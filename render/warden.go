package render

// A Warden is a Renderer that keeps out what a deny takes from allows that the target itself only lets pass. What one layer of a stack keeps out,
// the stack keeps out, so that the layers that say these allows exactly need not.
type Warden interface {
	// Wards is asked about a deny that asks for features which no layer declares that says what it takes from exactly, such as DenyAddressOnName. It
	// reports whether the target keeps out all that the deny takes, and nothing else.
	Wards(p *Plan, deny *Grant, needs []Feature) bool
}

// wards reports whether the layer keeps out what a deny asks for. Boundaries ask for sources alone.
func (l *layer) wards(p *Plan, d demand) bool {
	w, ok := l.renderer.(Warden)
	return ok && len(d.needs) > 0 && w.Wards(p, d.taker, d.needs)
}
