package airflowtest

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// response is an answer before it is written.
type response struct {
	status      int
	body        any // as JSON, unless text is set
	text        string
	contentType string
	header      http.Header
}

func ok(body any) *response { return &response{status: http.StatusOK, body: body} }

func detail(status int, text string) *response {
	return &response{status: status, body: map[string]string{"detail": text}}
}

const page = "<!doctype html>\n<html><head><title>Airflow</title></head><body><form>Sign in</form></body></html>\n"

func html(status int) *response {
	return &response{status: status, text: page, contentType: "text/html; charset=utf-8"}
}

// problem is one part of the answer to a request that is not valid.
type problem struct {
	Type  string `json:"type"`
	Loc   []any  `json:"loc"`
	Msg   string `json:"msg"`
	Input any    `json:"input"`
}

func unprocessable(problems ...problem) *response {
	return &response{status: http.StatusUnprocessableEntity, body: map[string]any{"detail": problems}}
}

func missingField(input any, loc ...any) problem {
	return problem{Type: "missing", Loc: loc, Msg: "Field required", Input: input}
}

func wrongType(kind, what string, input any, loc ...any) problem {
	return problem{Type: kind, Loc: loc, Msg: "Input should be a valid " + what, Input: input}
}

// encode gives the answer's bytes.
func (r *response) encode() []byte {
	if r.text != "" || r.status == http.StatusNoContent {
		return []byte(r.text)
	}
	body, err := json.Marshal(r.body)
	if err != nil {
		panic(err) // cannot happen: only plain values are answered
	}
	return body
}

// The page limits of Airflow's configuration.
const (
	maximumPage  = 100
	fallbackPage = 50
)

// window reads limit and offset. FAB takes limit=0 for the fallback, Airflow's
// own API takes it as it is, and Airflow 2 for a whole page.
func (s *Sim) window(query url.Values, fab bool) (limit, offset int, refusal *response) {
	two := s.generation.two()
	limit = fallbackPage
	if fab || two {
		limit = maximumPage
	}
	if refusal := natural(query, "limit", &limit); refusal != nil {
		return 0, 0, refusal
	}
	if refusal := natural(query, "offset", &offset); refusal != nil {
		return 0, 0, refusal
	}
	switch {
	case limit > 0:
	case two:
		limit = maximumPage
	case fab:
		limit = fallbackPage
	}
	return min(limit, maximumPage), offset, nil
}

func natural(query url.Values, name string, value *int) *response {
	if !query.Has(name) {
		return nil
	}
	text := query.Get(name)
	n, err := strconv.Atoi(text)
	switch {
	case err != nil:
		return unprocessable(problem{
			Type: "int_parsing", Loc: []any{"query", name}, Input: text,
			Msg: "Input should be a valid integer, unable to parse string as an integer",
		})
	case n < 0:
		return unprocessable(problem{
			Type: "greater_than_equal", Loc: []any{"query", name}, Input: text, Msg: "Input should be greater than or equal to 0",
		})
	}
	*value = n
	return nil
}

// cut gives the part of all that a page shows.
func cut[T any](all []T, limit, offset int) []T {
	from := min(offset, len(all))
	return all[from:min(from+limit, len(all))]
}

// ordering reads order_by; allowed are the keys. Of its roles and users Airflow 2
// gives no list backwards.
func (s *Sim) ordering(query url.Values, byDefault string, allowed ...string) (key string, descending bool, refusal *response) {
	text := byDefault
	if query.Has("order_by") {
		text = query.Get("order_by")
	}
	key = strings.TrimLeft(text, "-")
	if !slices.Contains(allowed, key) || key != text && byDefault != "dag_id" && s.generation.two() {
		return "", false, detail(http.StatusBadRequest, "Ordering with '"+text+"' is disallowed or the attribute does not exist on the model")
	}
	return key, strings.HasPrefix(text, "-"), nil
}

// quote writes a text as Python's repr does.
func quote(text string) string {
	mark := "'"
	if strings.Contains(text, "'") && !strings.Contains(text, `"`) {
		mark = `"`
	}
	escapes := []string{`\`, `\\`, "\n", `\n`, "\r", `\r`, "\t", `\t`}
	if mark == "'" {
		escapes = append(escapes, "'", `\'`)
	}
	return mark + strings.NewReplacer(escapes...).Replace(text) + mark
}
