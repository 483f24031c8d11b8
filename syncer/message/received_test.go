package message

import "testing"

func TestReceivedFrom(t *testing.T) {
	for header, want := range map[string]string{
		"Received: from mx.sender.example (mx.sender.example [192.0.2.1])\r\n\tby mx.old.example with ESMTP; Mon, 2 Nov 2026 10:00:00 +0000\r\nReceived: from laptop by mx.sender.example; x\r\n\r\n": "mx.sender.example",
		"Subject: a\r\nReceived: (qmail 12 invoked by uid 5); 2 Nov 2026 10:00:00 -0000\r\n\r\n":                                                                                                      "",
		"Received: by mx.old.example (Postfix, from userid 0)\r\n\tid ABC; Mon, 2 Nov 2026 10:00:00 +0000\r\n\r\n":                                                                                    "mx.old.example",
		"Received: FROM [192.0.2.7] by x; Mon, 2 Nov 2026 10:00:00 +0000\r\n\r\n":                                                                                                                     "[192.0.2.7]",
		"Received: from <script> by mx.old.example; x\r\n\r\n":                                                                                                                                        "mx.old.example",
		"Subject: none\r\n\r\nReceived: from body.example by x\r\n":                                                                                                                                   "",
		"Received: from\r\n\r\n": "",
		"":                       "",
	} {
		if got := ReceivedFrom([]byte(header)); got != want {
			t.Errorf("%q: %q, want %q", header, got, want)
		}
	}
}
