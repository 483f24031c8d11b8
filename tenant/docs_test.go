package tenant

import (
	"os"
	"strings"
	"testing"

	"postferry/directory"
)

// TestDocs: the documents have the values, codes and pages that the program has.
func TestDocs(t *testing.T) {
	t.Parallel()
	for name, all := range map[string][]string{
		"microsoft365": {mailPermission, directory.GraphUsers, directory.GraphSettings, forAll, "New-ServicePrincipal -AppId $app.AppId -ObjectId $app.Id",
			"tenant_unknown", "application_refused", "clock_wrong", "permission_missing", "principal_missing", "mailbox_refused", string(directory.Permission)},
		"google": {googleScopes, pageDelegation, pageGmail, pageAdminSDK, directory.GoogleAPI, "delegation_missing", "mailbox_unknown", "imap_off", string(directory.NotAdmin), string(directory.APIOff)},
	} {
		text, err := os.ReadFile("../docs/" + name + ".md")
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range all {
			if !strings.Contains(string(text), want) {
				t.Errorf("docs/%s.md has no %q", name, want)
			}
		}
	}
}
