// Package codes makes docs/codes.md: all codes that Postferry tells programs, with what they mean.
// It reads them where they are declared, the constants of the packages and the English
// texts of the import page, and its test fails as long as the page in docs is another one:
//
//	go generate ./internal/codes
//
// writes it anew. The package is not part of the program.
package codes

//go:generate go test . -run ^TestFresh$ -update
