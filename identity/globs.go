package identity

import "strings"

// globsOverlap reports whether some text matches both globs, either of which may be a name. The cost is the product of the lengths.
func globsOverlap(a, b string) bool {
	// After row i, reach[j] tells whether some text matches both a[:i] and b[:j].
	reach := make([]bool, len(b)+1)
	reach[0] = true
	for j := 1; j <= len(b); j++ {
		reach[j] = reach[j-1] && b[j-1] == '*'
	}
	for i := 1; i <= len(a); i++ {
		diagonal := reach[0]
		reach[0] = reach[0] && a[i-1] == '*'
		for j := 1; j <= len(b); j++ {
			above := reach[j]
			switch x, y := a[i-1], b[j-1]; {
			case x == '*' || y == '*':
				// The star stands for nothing more, or for what the other side has here.
				reach[j] = above || reach[j-1]
			default:
				reach[j] = diagonal && (x == y || x == '?' || y == '?')
			}
			diagonal = above
		}
	}
	return reach[len(b)]
}

// globCovers reports whether every text that matches b matches a; either may be a name. True is certain. It can be false although a
// covers b where no symbol of a takes the whole of a star of b: "?*" covers "*a*", and the answer is false.
func globCovers(a, b string) bool {
	a, b = questionsFirst(a), questionsFirst(b)
	// After row i, cover[j] tells whether a[:i] covers b[:j], symbol by symbol.
	cover := make([]bool, len(b)+1)
	cover[0] = true
	for i := 1; i <= len(a); i++ {
		diagonal := cover[0]
		cover[0] = cover[0] && a[i-1] == '*'
		for j := 1; j <= len(b); j++ {
			above := cover[j]
			switch x, y := a[i-1], b[j-1]; {
			case x == '*':
				cover[j] = above || cover[j-1]
			case x == '?':
				cover[j] = diagonal && y != '*'
			default:
				cover[j] = diagonal && x == y
			}
			diagonal = above
		}
	}
	return cover[len(b)]
}

// questionsFirst writes each run of wildcards as its question marks and then a star, if it has one: "*?" as "?*".
func questionsFirst(glob string) string {
	var b strings.Builder
	star := false
	for i := 0; i <= len(glob); i++ {
		if i < len(glob) && glob[i] == '*' {
			star = true
			continue
		}
		if star && (i == len(glob) || glob[i] != '?') {
			b.WriteByte('*')
			star = false
		}
		if i < len(glob) {
			b.WriteByte(glob[i])
		}
	}
	return b.String()
}
