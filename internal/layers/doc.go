// Package layers holds the direction in which Postferry's packages may import
// one another, and its test fails when one of them goes the other way. The rules
// are in layers.go, a line for each package; docs/architecture.md has the picture, and
// other tests here hold its table and its walks to the code, and the names of tests in all
// of docs.
//
// Tests may use internal/lab as well; nothing else may. The package is not
// part of the program.
package layers
