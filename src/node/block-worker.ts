/** @file The thread of a worker: runs the jobs that it is sent, one after the other. */
import { parentPort, workerData } from 'node:worker_threads';
import { BlockServer } from '../codec/block-jobs.js';
import type { ToBlockWorker } from '../codec/block-pool.js';
import { NODE } from './platform.js';

const port = parentPort!;
const server = new BlockServer(workerData as string, NODE, (message) => port.postMessage(message));
port.on('message', (message: ToBlockWorker) => server.receive(message));
