package types

// Error makes a failure an error.
func (f Failure) Error() string { return f.Message }
