// Package browser lets tests look at pages as people do: in a headless Chromium, which also
// says whether a page is accessible, and with what a form sends if nothing in it is
// changed. It must not know the pages.
package browser
