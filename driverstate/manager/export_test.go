package manager

// ServiceVersion is of this program's services, for tests.
const ServiceVersion = serviceVersion

// Fenced reports whether m lets no work begin, for tests.
func (m *Manager) Fenced() bool { return m.isFenced() }

// SetUp reports whether the driver is set up, for tests.
func (m *Manager) SetUp() bool { return m.isReady() }

// Running counts the jobs at work, for tests.
func (m *Manager) Running() (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, of := range m.tasks {
		n += len(of)
	}
	return n
}

// SetPortion sets how many bytes are proven before that is written, for tests.
func (m *Manager) SetPortion(n int64) { m.portion = n }

// Unrun counts the jobs that the database has m run and it does not, for tests.
func (m *Manager) Unrun() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.unrun)
}
