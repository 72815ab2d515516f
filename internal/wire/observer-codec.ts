/** Converts the calls of observers between protobuf and the model, in both directions. Pure. */
import type {
  ObserveRequest as ObserveRequestMessage,
  ObserveResponse,
  RegisterObserverRequest,
  RegisterObserverResponse,
} from '#gen/walnut/v1/replication_pb.ts';
import { invalidArgument } from '#model/errors.ts';
import type {
  ObserveRequest,
  RegisterAnswer,
  RegisterRequest,
  ReplicateRequest,
} from '#model/replication.ts';
import { checkText } from '#wire/numbers.ts';
import {
  checkId,
  checkIdOrEmpty,
  fromChainPoint,
  fromRegisterAnswer,
  fromRegisterRequest,
  fromReplicateAnswer,
  fromReplicateRequest,
  toChainPoint,
  toRegisterAnswer,
  toRegisterRequest,
  toReplicateAnswer,
  toReplicateRequest,
} from '#wire/replication-codec.ts';

export function toRegisterObserverRequest({ replica }: RegisterObserverRequest): RegisterRequest {
  if (replica === undefined) throw absent('replica');
  if (replica.advertise !== '')
    throw invalidArgument('replica.advertise is set: expected none, since an observer takes no calls');
  return { ...toRegisterRequest(replica), isObserver: true };
}

export function fromRegisterObserverRequest(request: RegisterRequest): RegisterObserverRequest {
  return { $typeName: 'walnut.v1.RegisterObserverRequest', replica: fromRegisterRequest(request) };
}

export function toRegisterObserverAnswer({ master }: RegisterObserverResponse): RegisterAnswer {
  if (master === undefined) throw absent('master');
  return toRegisterAnswer(master);
}

export function fromRegisterObserverAnswer(answer: RegisterAnswer): RegisterObserverResponse {
  return { $typeName: 'walnut.v1.RegisterObserverResponse', master: fromRegisterAnswer(answer) };
}

export function toObserveRequest(message: ObserveRequestMessage): ObserveRequest {
  if (message.answer === undefined) throw absent('answer');
  return {
    nodeId: checkId(message.nodeId, 'node_id'),
    incarnation: checkText(message.incarnation, 'incarnation', 64),
    logId: checkIdOrEmpty(message.logId, 'log_id'),
    tail: toChainPoint(message.tail, 'tail'),
    answer: toReplicateAnswer(message.answer),
    isLeaving: message.leaving,
  };
}

export function fromObserveRequest(request: ObserveRequest): ObserveRequestMessage {
  return {
    $typeName: 'walnut.v1.ObserveRequest',
    nodeId: request.nodeId,
    incarnation: request.incarnation,
    logId: request.logId,
    tail: fromChainPoint(request.tail),
    answer: fromReplicateAnswer(request.answer),
    leaving: request.isLeaving,
  };
}

export function toPush({ push }: ObserveResponse): ReplicateRequest {
  if (push === undefined) throw absent('push');
  return toReplicateRequest(push);
}

export function fromPush(push: ReplicateRequest): ObserveResponse {
  return { $typeName: 'walnut.v1.ObserveResponse', push: fromReplicateRequest(push) };
}

function absent(field: string): Error {
  return invalidArgument(`${field} is absent: expected one`);
}
