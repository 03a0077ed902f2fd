package match

import "fmt"

// A SyntaxError says what is wrong with a text that was to be parsed, and what to write instead.
type SyntaxError struct {
	Input  string // the text as it was given, shortened when long
	Offset int    // byte offset in the text at which the mistake was noticed
	Reason string // what was found
	Advice string // what to write instead; may be empty
}

func (e *SyntaxError) Error() string {
	s := fmt.Sprintf("%q: %s", e.Input, e.Reason)
	if e.Advice != "" {
		s += "; " + e.Advice
	}
	return s
}

// maxQuoted bounds how much of a bad text an error repeats.
const maxQuoted = 80

func syntaxError(input string, offset int, reason, advice string) *SyntaxError {
	if len(input) > maxQuoted {
		input = input[:maxQuoted] + "…"
	}
	return &SyntaxError{Input: input, Offset: offset, Reason: reason, Advice: advice}
}
