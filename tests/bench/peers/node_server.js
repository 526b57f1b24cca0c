// node_server.js MODEL.onnx - what people write to serve a model from Node: JSON in, ONNX Runtime, JSON out. Prints its
// port.
"use strict";
const http = require("node:http");
const ort = require("onnxruntime-node");

async function predict(session, text) {
	const { instances } = JSON.parse(text);
	const dims = [instances.length, instances[0].length, instances[0][0].length];
	const input = new ort.Tensor("float32", Float32Array.from(instances.flat(2)), dims);
	const { output } = await session.run({ input }, ["output"]);
	const steps = output.dims[1];
	const predictions = instances.map((_, i) => Array.from(output.data.subarray(i * steps, (i + 1) * steps)));
	return JSON.stringify({ predictions });
}

async function main() {
	const session = await ort.InferenceSession.create(process.argv[2], { intraOpNumThreads: 1, interOpNumThreads: 1 });
	const server = http.createServer((request, response) => {
		const pieces = [];
		request.on("data", (piece) => pieces.push(piece));
		request.on("end", async () => {
			const reply = await predict(session, Buffer.concat(pieces).toString());
			response.writeHead(200, { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(reply) });
			response.end(reply);
		});
	});
	server.listen(0, "127.0.0.1", () => console.log(server.address().port));
}

main();
