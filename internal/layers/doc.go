// Package layers holds the direction in which Postferry's packages may import
// one another, and its test fails when one of them goes the other way:
//
//	               cmd
//	              demo                    looks at a move over the control socket
//	             control                  the socket between commands and daemon
//	admin         proxy         syncer      never import each other
//	     upstream        discover           nor do these
//	    credential                          what to sign in with; wired by cmd
//	           report                       what the engine tells and all others show; imports store
//	wire          store         config      import none of ours, store but:
//	           report/reason                why things are as they are
//
// administrators come in through
//
//	       admin/server             listens; imported by cmd only
//	admin/web      admin/api        never import each other
//	      admin/request
//	          admin                 the use cases
//
// the store is
//
//	             store/bolt           imported by cmd and tests only
//	store/seal           store/storetest
//	               store
//
// and inside the engine:
//
//	                    syncer
//	       transfer   folders   jobs   stragglers
//	transfer/reader   transfer/writer   treesync
//	           transfer/adopt
//	            transfer/job
//	verify   dryrun   recovery   mailbox   reorder
//	     compare   leftout   quota
//	              session
//	                 foldertree
//	    message   problem   measure   schedule
//
// Tests may use internal/lab as well; nothing else may. The package is not
// part of the program.
package layers
