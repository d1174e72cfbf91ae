package manager

// Fenced reports whether m lets no work begin, for tests.
func (m *Manager) Fenced() bool { return m.isFenced() }
