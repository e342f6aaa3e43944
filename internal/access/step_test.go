package access_test

import (
	"testing"

	"github.com/airflow-oam/airflow-oam/internal/access"
)

func TestAKindOfStepSaysWhatItDoes(t *testing.T) {
	for kind, want := range map[access.StepKind]struct{ gives, takes, onUser bool }{
		access.StepCreateRole:     {gives: true},
		access.StepWidenRole:      {gives: true},
		access.StepReplaceRole:    {gives: true, takes: true},
		access.StepNarrowRole:     {takes: true},
		access.StepDeleteRole:     {takes: true},
		access.StepAddMember:      {gives: true, onUser: true},
		access.StepSwapMember:     {gives: true, takes: true, onUser: true},
		access.StepRemoveMember:   {takes: true, onUser: true},
		access.StepRemoveReplaced: {takes: true, onUser: true},
	} {
		if kind.Gives() != want.gives || kind.Takes() != want.takes || kind.OnUser() != want.onUser {
			t.Errorf("%s gives %t, takes %t, is on a user %t", kind, kind.Gives(), kind.Takes(), kind.OnUser())
		}
	}
}
