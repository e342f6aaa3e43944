// Command demo shows airflow-oam at work: a real Kubernetes control plane, a real Airflow, the operator, and calls as
// the people concerned. It ends with 0 only if every step held.
package main

import (
	"context"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/airflow-oam/airflow-oam/hack/airflow/server"
	"github.com/airflow-oam/airflow-oam/hack/stage"
)

//go:embed objects.yaml
var objects string

const (
	cacheTTL  = 2 * time.Second
	grantTime = 70 * time.Second
	namespace = "data-platform"
	dag       = "finance_daily"
	poll      = 200 * time.Millisecond
	// patience is for what takes a pass, on a busy machine.
	patience = 30 * time.Second
	// calls as slow as the slowest are what a removal may take longer than the second that the operator reckons with.
	calls = 5
)

const usage = `Shows airflow-oam at work on a real Kubernetes control plane and a real Airflow, in about two minutes.

  make demo           run the demo and clean up
  make demo KEEP=1    leave everything running afterwards, until Ctrl-C

It writes into this repository's .cache folder, Go's own caches, and a folder of its own for temporary files (airflow-oam-demo-*, with
Airflow's database and the logs), which is removed at the end and kept when a step fails. Whatever signal ends it, it ends what it started;
after SIGKILL, the next demo does so.
`

func main() {
	flag.Usage = func() { fmt.Fprint(os.Stderr, usage) }
	flag.Parse()
	// A terminal that goes away sends SIGHUP, and writing to it afterwards SIGPIPE: what was started must end all the same.
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	err := run(ctx, os.Getenv("KEEP") == "1")
	cancel()
	if err != nil {
		fmt.Fprintln(os.Stderr, "\nFAILED:", err)
		os.Exit(1)
	}
}

// demo is the state of a run.
type demo struct {
	*stage.Stage
	started time.Time
	step    int
	tokens  map[string]string
	// bob and carol are their kubeconfig files, request is the name of bob's request and grant that of what came of it.
	bob, carol, request, grant string
}

func (d *demo) title(text string) {
	d.step++
	fmt.Printf("\n%d. %s\n", d.step, text)
}

func (d *demo) say(format string, arguments ...any) {
	fmt.Printf("   "+format+"\n", arguments...)
}

func run(ctx context.Context, keep bool) (err error) {
	d := &demo{started: time.Now(), tokens: map[string]string{}}
	temp := os.TempDir()
	if err := endLeftovers(temp, d.say); err != nil {
		return err
	}
	home, lock, err := newHome(temp)
	if err != nil {
		return err
	}
	defer func() {
		if d.Stage != nil {
			err = errors.Join(err, d.Stop())
		}
		if err == nil {
			err = os.RemoveAll(home)
		} else {
			fmt.Fprintf(os.Stderr, "\nlogs are kept in %s\n", home)
		}
		err = errors.Join(err, lock.Close())
	}()
	d.title("Put up a Kubernetes control plane, an Airflow 3.3 and the operator")
	d.Stage, err = stage.Start(ctx, stage.Options{Home: home, CacheTTL: cacheTTL, Progress: indent{}})
	if err != nil {
		return err
	}
	if err := d.listed(ctx); err != nil {
		return err
	}
	d.say("all of it took %.0f s", time.Since(d.started).Seconds())
	for _, step := range []func(context.Context) error{d.people, d.declare, d.standing, d.ask, d.agree, d.takeAway, d.story, d.foreign, d.show} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	fmt.Printf("\nEvery step held (%.0f s).\n", time.Since(d.started).Seconds())
	if keep {
		d.keep(ctx)
	}
	return nil
}

// listed waits until Airflow lists the DAG: what is declared before takes effect at the operator's next look only.
func (d *demo) listed(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	return d.Airflow.WaitForDAGs(ctx, dag)
}

// indent writes the lines of others a little to the right.
type indent struct{}

func (indent) Write(line []byte) (int, error) {
	fmt.Print("   " + string(line))
	return len(line), nil
}

// pair is a permission in a role, as Airflow's REST API has it.
type pair struct {
	Action   word `json:"action"`
	Resource word `json:"resource"`
}

type word struct {
	Name string `json:"name"`
}

type handmadeRole struct {
	Name    string `json:"name"`
	Actions []pair `json:"actions"`
}

// handmade is what the role holds that somebody made by hand.
var handmade = []pair{{Action: word{"can_read"}, Resource: word{"DAG:marketing_report"}}}

// people creates those who play a part, and a role that somebody made by hand.
func (d *demo) people(ctx context.Context) error {
	d.title("People in Airflow: alice and bob, who may do nothing yet, and carol with a role made by hand")
	role := handmadeRole{Name: "analysts", Actions: handmade}
	if err := d.Airflow.AsAdmin(ctx, http.MethodPost, "/auth/fab/v1/roles", role, nil); err != nil {
		return err
	}
	for name, roles := range map[string][]string{"alice": nil, "bob": nil, "carol": {"analysts"}} {
		user, err := d.Airflow.CreateUser(ctx, server.User{Username: name, Roles: roles})
		if err != nil {
			return err
		}
		if d.tokens[name], err = d.Airflow.Token(ctx, name, user.Password); err != nil {
			return err
		}
	}
	return errors.Join(d.expect(ctx, "alice", http.StatusForbidden), d.expect(ctx, "bob", http.StatusForbidden))
}

// declare applies the instance and the policy, as a platform team would from Git.
func (d *demo) declare(ctx context.Context) error {
	d.title("kubectl apply: AirflowInstance prod, DagAccessPolicy finance-operators (alice standing; others ask for up to 8h)")
	if err := d.CreateInstanceNamespace(ctx, namespace); err != nil {
		return err
	}
	if err := d.CreateSecret(ctx, namespace, "airflow-oam"); err != nil {
		return err
	}
	if err := d.LetRequest(ctx, namespace, "analysts", "finance-leads"); err != nil {
		return err
	}
	if err := d.Apply(ctx, objects, map[string]string{"AIRFLOW_URL": d.Airflow.URL}); err != nil {
		return err
	}
	for _, object := range []string{"airflowinstance/prod", "dagaccesspolicy/finance-operators"} {
		if _, err := d.Kubectl(ctx, nil, "wait", "-n", namespace, object, "--for=condition=Ready", "--timeout=60s"); err != nil {
			return err
		}
		d.say("%s is Ready", object)
	}
	return nil
}

// standing shows what the policy gave, and what it did not.
func (d *demo) standing(ctx context.Context) error {
	d.title("alice triggers " + dag + "; bob may not")
	if _, err := d.until(ctx, "alice", http.StatusOK, patience); err != nil {
		return err
	}
	if err := errors.Join(d.expect(ctx, "alice", http.StatusOK), d.expect(ctx, "bob", http.StatusForbidden)); err != nil {
		return err
	}
	return d.finished(ctx)
}

// finished waits until the runs that were started are over: a busy scheduler on this small Airflow delays every answer,
// and what follows is measured.
func (d *demo) finished(ctx context.Context) error {
	const limit = 2 * time.Minute
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for begin := time.Now(); time.Since(begin) < limit; {
		var runs struct {
			Runs []struct {
				State string `json:"state"`
			} `json:"dag_runs"`
		}
		if err := d.Airflow.AsAdmin(ctx, http.MethodGet, "/api/v2/dags/"+dag+"/dagRuns", nil, &runs); err != nil {
			return err
		}
		open := 0
		for _, run := range runs.Runs {
			if run.State != "success" && run.State != "failed" {
				open++
			}
		}
		if open == 0 {
			d.say("alice's run is over after %.0f s", time.Since(begin).Seconds())
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return errors.New("the run that alice started is not over after two minutes: is the scheduler alive?")
}

// ask has bob ask for access with the plugin of kubectl.
func (d *demo) ask(ctx context.Context) error {
	d.title("bob asks: kubectl airflow-access request finance-operators --dag " + dag + " --for " + grantTime.String() + " --reason 'INC-4711 late file'")
	if err := d.BuildPlugin(ctx); err != nil {
		return err
	}
	var err error
	if d.bob, err = d.Person("bob@example.com", "analysts"); err != nil {
		return err
	}
	if d.carol, err = d.Person("carol@example.com", "finance-leads"); err != nil {
		return err
	}
	made, err := d.As(ctx, d.bob, nil, "airflow-access", "request", "finance-operators", "-n", namespace, "--dag", dag, "--for", grantTime.String(),
		"--reason", "INC-4711 late file", "-o", "name")
	if err != nil {
		return err
	}
	made = strings.TrimSpace(made)
	d.request = made[strings.LastIndex(made, "/")+1:]
	if _, err := d.Kubectl(ctx, nil, "wait", "-n", namespace, "accessrequest/"+d.request, "--for=condition=Admitted", "--timeout=30s"); err != nil {
		return err
	}
	d.say("accessrequest/%s waits for one of finance-leads; bob cannot approve it:", d.request)
	_, err = d.As(ctx, d.bob, nil, "airflow-access", "approve", d.request, "-n", namespace)
	if err == nil {
		return errors.New("bob approved his own request")
	}
	d.say("   %s", firstLine(err.Error()))
	return d.expect(ctx, "bob", http.StatusForbidden)
}

// agree has carol approve, and waits until the access works.
func (d *demo) agree(ctx context.Context) error {
	d.title("carol agrees: kubectl airflow-access approve " + d.request + " --comment 'saw the ticket'")
	agreed := time.Now()
	if _, err := d.As(ctx, d.carol, nil, "airflow-access", "approve", d.request, "-n", namespace, "--comment", "saw the ticket"); err != nil {
		return err
	}
	first, err := d.until(ctx, "bob", http.StatusOK, patience)
	if err != nil {
		return err
	}
	d.say("works %.1f s after she agreed (Airflow caches permissions for %s)", first.Sub(agreed).Seconds(), cacheTTL)
	return d.expect(ctx, "bob", http.StatusOK)
}

// story prints what happened, from the request to the proof that the access is gone.
func (d *demo) story(ctx context.Context) error {
	d.title("The whole story: kubectl airflow-access describe " + d.request)
	out, err := d.Kubectl(ctx, nil, "airflow-access", "describe", d.request, "-n", namespace)
	if err != nil {
		return err
	}
	for line := range strings.Lines(out) {
		fmt.Print("   " + line)
	}
	for _, person := range []string{"bob@example.com", "carol@example.com"} {
		if !strings.Contains(out, person) {
			return fmt.Errorf("the story does not name %s", person)
		}
	}
	return nil
}

// firstLine is the part of an error for people.
func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}

// takeAway watches the end of bob's grant with calls as bob.
func (d *demo) takeAway(ctx context.Context) error {
	var err error
	if d.grant, err = d.Kubectl(ctx, nil, "get", "-n", namespace, "accessrequest/"+d.request, "-o", "jsonpath={.status.grant.name}"); err != nil {
		return err
	}
	stored, err := d.Kubectl(ctx, nil, "get", "-n", namespace, "accessgrant/"+d.grant, "-o", "jsonpath={.status.activation.expiresAt}")
	if err != nil {
		return err
	}
	end, err := time.Parse(time.RFC3339, stored)
	if err != nil {
		return fmt.Errorf("the grant's end: %w", err)
	}
	d.title(fmt.Sprintf("Wait for its end, calling as bob all the time (%.0f s)", time.Until(end).Seconds()))
	lastOK, slowest, err := d.refused(ctx, end)
	if err != nil {
		return err
	}
	if late := lastOK.Sub(end); late <= 0 {
		d.say("the last 200 was %.1f s before the end; since then 403", -late.Seconds())
	} else if room := calls * slowest; late <= room {
		d.say("the last 200 was %.1f s after the end, as Airflow is busy (a call took up to %.1f s); since then 403", late.Seconds(), slowest.Seconds())
	} else {
		return fmt.Errorf("bob got 200 until %.1f s after the end of the grant; a call took up to %.1f s", late.Seconds(), slowest.Seconds())
	}
	if err := d.expect(ctx, "bob", http.StatusForbidden); err != nil {
		return err
	}
	_, err = d.Kubectl(ctx, nil, "wait", "-n", namespace, "accessgrant/"+d.grant, "--for=jsonpath={.status.phase}=Expired", "--timeout=30s")
	return errors.Join(err, d.expect(ctx, "alice", http.StatusOK))
}

// refused reads as bob until the answer stays 403. It gives when the last call with the answer 200 was sent, and the
// longest that an answer took near the end.
func (d *demo) refused(ctx context.Context, end time.Time) (lastOK time.Time, slowest time.Duration, err error) {
	const near = 15 * time.Second
	tick := time.NewTicker(poll)
	defer tick.Stop()
	lastOK, told := time.Now(), time.Now()
	for refusals := 0; refusals < 3; {
		select {
		case <-ctx.Done():
			return lastOK, slowest, ctx.Err()
		case <-tick.C:
		}
		sent := time.Now()
		switch code, _ := status(d.Airflow.ReadDAG(ctx, d.tokens["bob"], dag)); code { // one try: it counts when it was sent
		case http.StatusOK:
			lastOK, refusals = sent, 0
		case http.StatusForbidden:
			refusals++
		}
		if time.Until(end) < near {
			slowest = max(slowest, time.Since(sent))
		}
		if time.Since(told) > 15*time.Second {
			told = time.Now()
			d.say("%.0f s to go, bob still gets 200", time.Until(end).Seconds())
		}
		if time.Since(end) > time.Minute {
			return lastOK, slowest, errors.New("bob is not refused a minute after the end of the grant")
		}
	}
	return lastOK, slowest, nil
}

// foreign shows that what people made by hand is as it was.
func (d *demo) foreign(ctx context.Context) error {
	d.title("The role made by hand and its member are as they were")
	var role handmadeRole
	if err := d.Airflow.AsAdmin(ctx, http.MethodGet, "/auth/fab/v1/roles/analysts", nil, &role); err != nil {
		return err
	}
	var carol struct {
		Roles []struct {
			Name string `json:"name"`
		} `json:"roles"`
	}
	if err := d.Airflow.AsAdmin(ctx, http.MethodGet, "/auth/fab/v1/users/carol", nil, &carol); err != nil {
		return err
	}
	if !slices.Equal(role.Actions, handmade) || len(carol.Roles) != 1 || carol.Roles[0].Name != "analysts" {
		return fmt.Errorf("the role has %v, carol has %v", role.Actions, carol.Roles)
	}
	d.say("role analysts: %s on %s; carol: analysts", role.Actions[0].Action.Name, role.Actions[0].Resource.Name)
	return nil
}

// show prints what kubectl says at the end.
func (d *demo) show(ctx context.Context) error {
	d.title("What kubectl get says now")
	for _, kind := range []string{"airflowinstances", "dagaccesspolicies", "accessrequests", "accessgrants"} {
		out, err := d.Kubectl(ctx, nil, "get", kind, "-n", namespace)
		if err != nil {
			return err
		}
		for line := range strings.Lines(out) {
			fmt.Print("   " + line)
		}
		fmt.Println()
	}
	return nil
}

// keep tells how to use what was left running, and waits.
func (d *demo) keep(ctx context.Context) {
	fmt.Printf(`
Everything keeps running until Ctrl-C.
   export KUBECONFIG=%s
   %s get airflow-access -n %s
   %s describe accessrequest %s -n %s
Airflow: %s   user %s, password in %s
Operator log: %s
`, d.Kubeconfig, d.KubectlPath(), namespace, d.KubectlPath(), d.request, namespace, d.Airflow.URL, d.Airflow.AdminUsername,
		filepath.Join(d.Airflow.Home, "airflow.json"), d.OperatorLog)
	<-ctx.Done()
	fmt.Println("\nstopping")
}
