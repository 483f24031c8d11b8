// Package server puts the import page together: it listens, with or without TLS, lets every request
// pass what all of them have to (bounds, protection against other sites, headers, the log), and hands
// it to the pages (admin/web) or the API (admin/api).
//
// Its tests ask the whole of it as browsers and programs do: who may do what, what is bounded, what
// must never come out. It must not know what pages and operations there are: they say it themselves.
package server
