package contract

import (
	"reflect"

	"github.com/airflow-oam/airflow-oam/internal/airflow"
)

// What a role of an interrupted probe may hold.
var probeFirst, probeSecond = pair("menu_access", "Docs"), pair("menu_access", "Documentation")

// probe asks a server as one whose version does not tell: what is found by trying must be what is known of the release.
func probe(s *session) {
	s.sub("it finds what is known, and leaves nothing behind", func(s *session) {
		before := s.everything()
		s.wantProbed()
		if after := s.everything(); !reflect.DeepEqual(before, after) {
			s.Errorf("before: %v\nafter: %v", before, after)
		}
	})
	s.sub("it goes on where another was interrupted", func(s *session) {
		for _, left := range [][]airflow.Permission{{probeFirst, probeSecond}, {probeFirst}, {}} {
			s.addRole(airflow.ProbeRole, left...)
			s.wantProbed()
			_, err := s.client.Role(s.ctx, airflow.ProbeRole)
			s.want(airflow.CauseNotFound, err)
		}
	})
	s.sub("it leaves a role of its name alone that holds anything else", func(s *session) {
		s.addRole(airflow.ProbeRole, probeFirst, pair("can_edit", "Pools"))
		_, err := s.client.Probe(s.ctx, s.unknown())
		s.want(airflow.CauseConflict, err)
		s.wantPermissions(airflow.ProbeRole, probeFirst, pair("can_edit", "Pools"))
	})
}

// state is what a probe could leave behind: roles with what they hold, and pairs where they are listed.
type state struct {
	Roles []airflow.Role
	Pairs []airflow.Permission
}
