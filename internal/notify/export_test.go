package notify

// AsSlack, AsCloudEvent and Compile are for tests.
var (
	AsSlack      = asSlack
	AsCloudEvent = asCloudEvent
	MaxQueue     = maxQueue
)

// Linked is for tests.
func (e Event) Linked(console string) Event { return e.linked(console) }

// Matches compiles an expression and evaluates it for an event.
func Matches(expression string, e Event) (bool, error) {
	f, err := compile(expression)
	if err != nil {
		return false, err
	}
	return f.matches(e)
}
