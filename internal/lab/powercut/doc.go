// Package powercut tells what may be on a disk after the power of its machine failed. It
// records the system calls of a program and draws the states that they allow at each
// moment. It must not know which program that is, nor what its files mean.
package powercut
