// A program that uses the client: it sets a domain up, adds accounts, and reads what came of it.
import createClient from 'openapi-fetch';
import type { components, paths } from './api.mjs';

declare const process: { env: Record<string, string | undefined>; exitCode: number };

const api = createClient<paths>({ baseUrl: process.env.BASE ?? '', headers: { Authorization: `Bearer ${process.env.TOKEN}` } });
const path = { domain: 'a.example' };

type Account = components['schemas']['Account'];

// line says how an account is; what may be null has to be asked for, or it does not compile.
function line(a: Account): string {
  return `${a.login} ${a.state} ${a.problem === null ? 'without a problem' : a.problem.kind}`;
}

// must is what was answered.
function must<T>(name: string, answer: { data?: T; error?: components['schemas']['ProblemDetails'] }): T {
  if (answer.data === undefined) throw new Error(`${name}: ${answer.error?.code}: ${answer.error?.detail}`);
  return answer.data;
}

const made = must('put', await api.PUT('/domains/{domain}', { params: { path }, body: { old: 'imaps://old.a.example', new: 'imaps://new.example' } }));
console.log(made.name, made.old.host, made.schedule === null ? 'no schedule' : made.schedule.every_seconds);

must('add', await api.POST('/domains/{domain}/accounts', { params: { path }, body: { accounts: [{ login: 'anna@a.example', password: 'x' }] } }));
const page = must('list', await api.GET('/domains/{domain}/accounts', { params: { path, query: { per_page: 10 } } }));
for (const a of page.accounts) console.log(line(a));

const { error, response } = await api.GET('/domains/{domain}/accounts/{account}', { params: { path: { ...path, account: 0 } } });
console.log(response.status, error?.code);
