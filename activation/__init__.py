"""What an export is: from files to memberships to delivered files. Knows no schedule and no terminal.

    profiles, events, memberships --> evaluate --> memberships --+
                                                   delivered ----+--> compare --> rows --> write --> deliver --> record

Pure modules (frames and values in, frames and values out):

workspace    the nouns                        naming, urls     names of files and places
sql*, rules  SQL to checked expressions       instants         instants, local times, durations
measures     event aggregates                 identities       identity maps as sets, and their digest
keys         numbers that stand for ids       memory           what may be kept for later files
moves        memberships, from one instant    compare          desired against delivered
             to the next                      deduplicate      who of several with one key stays
rows, fields a mapping on a snapshot          values, writers  values as text, files as lazy sinks
transforms,  what is done to a column's       expressions      a column's SQL
phones       values                           sent_forms       how what exits was written before
exports      a decision to export             records          what the ledger remembers
encodings    text in other encodings          presets, preset_*  what well-known receivers take

Edge modules (touch files):

sources, yaml*,     YAML to the nouns         state, ledger    the state folder
config*, plain_data  (and those to JSON)
parts, snapshots,   Parquet in                destinations     the places that files go to
feeds, session                                deliver          staged to visible, and what a kill left
engine, stopping    the one place where       recount          a written file read back
                    plans run                 evaluate, pipeline  one evaluation; one export
key_files, pgp_*    keys                      encryption       clear text to encrypted files
"""
