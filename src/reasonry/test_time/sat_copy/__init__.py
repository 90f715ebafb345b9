"""Copy or reverse: a task that one attempt cannot solve and a second attempt with a verdict can."""
