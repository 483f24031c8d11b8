// Prints what Redocly's linter finds in openapi.yaml, one line each.
import { lint, loadConfig } from '@redocly/openapi-core';

const config = await loadConfig({ configPath: 'redocly.yaml' });
for (const p of await lint({ ref: 'openapi.yaml', config })) {
  if (!p.ignored) console.log(p.severity, p.ruleId, p.location[0]?.pointer ?? '', p.message);
}
