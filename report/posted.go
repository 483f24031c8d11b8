package report

// Posted is what became of a message to a webhook: nothing to say if it was taken.
type Posted struct {
	Status int   // of HTTP, that it was refused with; 0 if there was no answer
	Inside bool  // its address is one that only the configuration may name
	Err    error // why it was not taken; nil if it was
}
