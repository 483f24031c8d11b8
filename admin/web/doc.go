// Package web answers browsers: the pages and forms of administrators, in their language.
//
// A page is a template below templates, filled from what a use case of admin returns; a form calls
// a use case and leads on to a page, so that all works without JavaScript. The words are in texts, a
// file for each language; what a page says of a refusal, a problem or a reason goes by its code. The
// live view renders parts of a page anew, here, so that words and marks are in one place.
//
// What may be done and by whom is decided in admin. The package must not know the API.
package web
