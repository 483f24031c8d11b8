package admin

// view is what lists show of a row. An alias shows what goes on with the account that it leads to.
func (b *Board) view(i int) AccountView {
	o := &b.rows[i]
	if o.Alias == 0 {
		return viewAccount(o, b.liveOf(o.ID))
	}
	v := viewAccount(o, b.liveOf(o.Alias))
	of := ""
	if at, ok := b.at(o.Alias); ok {
		of = b.rows[at].Login
	}
	v.AliasOf = &of
	return v
}
