/** GraphiQL for the hub's API: nothing on this page is loaded from, or sent to, any other host. */
import { GraphiQL } from 'graphiql';
import 'graphiql/style.css';
import { getOperationAST } from 'graphql';
import { useRef } from 'react';
import { createRoot } from 'react-dom/client';
import './explorer.css';

const workers = { graphql: 'graphql.worker.js', json: 'json.worker.js' };
globalThis.MonacoEnvironment = {
  getWorker: (_id, label) => new Worker(new URL(workers[label] ?? 'editor.worker.js', import.meta.url)),
};

const defaultQuery = `# Paste a token above, then run this with Ctrl+Enter
# (Cmd+Enter on a Mac). Ctrl+Space shows what else can be
# asked for; the book on the left describes all of it.
{
  me { name role }
  caseload(first: 5) {
    nodes {
      familyName
      givenName
      sources { side availability }
      combined { agreed { formatted } left { formatted } }
    }
  }
}
`;

function Explorer() {
  // Kept in the page alone: a token in the browser's storage would outlive the visit.
  const token = useRef('');
  const fetcher = (request, { documentAST, headers } = {}) => {
    const operation = documentAST && getOperationAST(documentAST, request.operationName);
    const authorization = token.current && {
      authorization: `Bearer ${token.current.replace(/^Bearer\s+/i, '')}`,
    };
    const send = (accept) =>
      fetch('/graphql', {
        method: 'POST',
        headers: { 'content-type': 'application/json', accept, ...authorization, ...headers },
        body: JSON.stringify(request),
      });
    if (operation?.operation === 'subscription') return events(send('text/event-stream'));
    return send('application/graphql-response+json, application/json').then((response) => response.json());
  };
  return (
    <>
      <div className="token">
        <label htmlFor="token">Token</label>
        <input
          id="token"
          type="password"
          autoComplete="off"
          spellCheck={false}
          placeholder="Paste a token to sign in as the person it was made for"
          onChange={(event) => {
            token.current = event.target.value.trim();
          }}
        />
      </div>
      {/* Variables can name people, so what was asked goes when the tab is closed. */}
      <GraphiQL
        fetcher={fetcher}
        defaultQuery={defaultQuery}
        storage={sessionStorage}
        shouldPersistHeaders={false}
      />
    </>
  );
}

/** The results of a subscription, from server-sent events; where the server refused, its answer. */
async function* events(request) {
  const response = await request;
  if (!response.headers.get('content-type')?.startsWith('text/event-stream')) {
    yield await response.json();
    return;
  }
  let rest = '';
  for await (const chunk of chunks(response.body.pipeThrough(new TextDecoderStream()))) {
    const parts = (rest + chunk).split(/\r?\n\r?\n/);
    rest = parts.pop();
    for (const part of parts) {
      const lines = part.split(/\r?\n/);
      if (lines.includes('event: complete')) return;
      const data = lines.filter((line) => line.startsWith('data:')).map((line) => line.slice(5));
      if (data.join('').trim()) yield JSON.parse(data.join('\n'));
    }
  }
}

/** Not every browser can iterate a stream. Leaving the loop ends the connection. */
async function* chunks(stream) {
  const reader = stream.getReader();
  try {
    for (let read = await reader.read(); !read.done; read = await reader.read()) yield read.value;
  } finally {
    await reader.cancel();
  }
}

createRoot(document.getElementById('explorer')).render(<Explorer />);
