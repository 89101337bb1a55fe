"""Tests of evictions and cordoned nodes, as ``kubectl drain`` uses them."""

from test_kubernetes import GIB, PLAIN, Case, deployment

DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
BUDGETS = "/apis/policy/v1/namespaces/default/poddisruptionbudgets"
PODS = "/api/v1/namespaces/default/pods"


def budget(name="web", app="web", **spec):
    return {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": name},
            "spec": {"selector": {"matchLabels": {"app": app}}, **(spec or {"minAvailable": 1})}}


class Evictions(Case):
    def setUp(self):
        super().setUp()
        self.nodes = [PLAIN, dict(PLAIN, name="other", memory=8 * GIB)]

    def pods(self, **query):
        return {p["metadata"]["name"]: p for p in self.get(PODS, **query)["items"]}

    def evict(self, name, expect=201, **body):
        body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}, **body}
        return self.call("POST", f"{PODS}/{name}/eviction", body, expect=expect)

    def cordon(self, name):
        return self.patch(f"/api/v1/nodes/{name}", {"spec": {"unschedulable": True}})

    def test_an_evicted_pod_comes_back_on_a_node_that_takes_pods(self):
        self.apply(DEPLOYMENTS + "/web", deployment(replicas=2), expect=201)
        for name, pod in self.pods().items():
            self.cordon(pod["spec"]["nodeName"])
            break
        answer = self.evict(name)
        self.assertEqual((answer["kind"], answer["status"]), ("Status", "Success"))
        new = self.pods()
        self.assertEqual((len(new), name in new), (2, False))
        self.assertEqual(self.pods(fieldSelector=f"spec.nodeName={pod['spec']['nodeName']}").keys() & {name}, set())
        self.evict("nobody", expect=404)

    def test_a_budget_holds_an_eviction_and_says_why(self):
        self.apply(DEPLOYMENTS + "/web", deployment(replicas=1), expect=201)
        self.apply(BUDGETS + "/web", budget(), expect=201)
        (name,) = self.pods()
        refused = self.evict(name, expect=429)
        self.assertEqual(refused["reason"], "TooManyRequests")
        self.assertEqual(refused["message"], "Cannot evict pod as it would violate the pod's disruption budget.")
        (cause,) = refused["details"]["causes"]
        self.assertEqual(cause, {"reason": "DisruptionBudget", "message":
                                 "The disruption budget web needs 1 healthy pods and has 1 currently"})
        self.assertEqual(list(self.pods()), [name])
        # A second replica gives the budget room, one eviction at a time.
        self.apply(DEPLOYMENTS + "/web", deployment(replicas=2))
        self.evict(name)
        self.assertEqual(len(self.pods()), 2)
        self.apply(BUDGETS + "/second", budget("second"), expect=201)
        self.evict(next(iter(self.pods())), expect=500)

    def test_a_pod_that_serves_nobody_is_evicted_whatever_its_budget_says(self):
        web = deployment(replicas=1)
        web["spec"]["template"]["spec"]["nodeSelector"] = {"pool": "none"}
        self.apply(DEPLOYMENTS + "/web", web, expect=201)
        self.apply(BUDGETS + "/web", budget(), expect=201)
        (name,) = self.pods()
        self.assertEqual(self.pods()[name]["status"]["phase"], "Pending")
        self.evict(name)
        self.assertNotIn(name, self.pods())

    def test_the_eviction_is_one_of_the_pods_subresources(self):
        listed = {r["name"]: r for r in self.get("/api/v1")["resources"]}
        self.assertEqual((listed["pods/eviction"]["group"], listed["pods/eviction"]["verbs"]), ("policy", ["create"]))
        self.call("GET", PODS + "/web/eviction", expect=405)
