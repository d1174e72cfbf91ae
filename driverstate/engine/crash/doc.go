// Package crash proves that a kill at any instant leaves a state from which
// the next start recovers. Its tests run "cinder-go serve" as processes of
// their own, have them killed at every fault point of every operation
// (driverstate/fault) or at random under load, start them again, and take the
// census: every row true against the store, every object owned, every volume
// at rest, no job lost or done twice, nothing lost that was answered with 2xx.
//
// There is no code in it besides the tests.
package crash
