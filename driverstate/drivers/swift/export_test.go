package swift

// OpenStore is the account of a project as the driver of c reaches it.
func OpenStore(c Config, project string) (*Store, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	s, err := newSession(&c)
	if err != nil {
		return nil, err
	}
	store := s.store(project)
	store.owned = true
	return store, nil
}
