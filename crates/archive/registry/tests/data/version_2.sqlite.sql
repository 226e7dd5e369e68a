BEGIN TRANSACTION;
CREATE TABLE artifact (dataset INTEGER PRIMARY KEY REFERENCES dataset(id) ON DELETE CASCADE,
             path TEXT NOT NULL, formatter BIGINT NOT NULL REFERENCES word(id),
             size_bytes BIGINT NOT NULL, checksum TEXT NOT NULL);
INSERT INTO "artifact" VALUES(1,'u/run/image_1_0.fits',4,10,'blake3:00');
INSERT INTO "artifact" VALUES(2,'u/run/image_1_1.fits',4,10,'blake3:00');
INSERT INTO "artifact" VALUES(3,'u/run/image_2_0.fits',4,10,'blake3:00');
INSERT INTO "artifact" VALUES(4,'u/run/image_2_1.fits',4,10,'blake3:00');
CREATE TABLE calib_1 (collection BIGINT NOT NULL REFERENCES collection(id),
                 type BIGINT NOT NULL, d_instrument BIGINT NOT NULL, d_visit BIGINT NOT NULL, d_detector BIGINT NOT NULL,  begin_ns BIGINT NOT NULL,
             end_ns BIGINT NOT NULL, dataset BIGINT NOT NULL REFERENCES dataset(id) ON DELETE CASCADE,
             PRIMARY KEY (collection, type, d_instrument, d_visit, d_detector, begin_ns), FOREIGN KEY (d_instrument, d_visit) REFERENCES dim_visit (d_instrument, d_visit), FOREIGN KEY (d_instrument, d_detector) REFERENCES dim_detector (d_instrument, d_detector)) WITHOUT ROWID;
CREATE TABLE calib_2 (collection BIGINT NOT NULL REFERENCES collection(id),
                 type BIGINT NOT NULL, d_instrument BIGINT NOT NULL, d_detector BIGINT NOT NULL,  begin_ns BIGINT NOT NULL,
             end_ns BIGINT NOT NULL, dataset BIGINT NOT NULL REFERENCES dataset(id) ON DELETE CASCADE,
             PRIMARY KEY (collection, type, d_instrument, d_detector, begin_ns), FOREIGN KEY (d_instrument, d_detector) REFERENCES dim_detector (d_instrument, d_detector)) WITHOUT ROWID;
INSERT INTO "calib_2" VALUES(3,2,1,1,0,100,5);
CREATE TABLE cell_exposure (d_instrument BIGINT NOT NULL, d_exposure BIGINT NOT NULL, cell BIGINT NOT NULL, PRIMARY KEY (d_instrument, d_exposure, cell),
                 FOREIGN KEY (d_instrument, d_exposure) REFERENCES dim_exposure (d_instrument, d_exposure) ON DELETE CASCADE) WITHOUT ROWID;
CREATE TABLE cell_patch (d_skymap BIGINT NOT NULL, d_tract BIGINT NOT NULL, d_patch BIGINT NOT NULL, cell BIGINT NOT NULL, PRIMARY KEY (d_skymap, d_tract, d_patch, cell),
                 FOREIGN KEY (d_skymap, d_tract, d_patch) REFERENCES dim_patch (d_skymap, d_tract, d_patch) ON DELETE CASCADE) WITHOUT ROWID;
CREATE TABLE cell_tract (d_skymap BIGINT NOT NULL, d_tract BIGINT NOT NULL, cell BIGINT NOT NULL, PRIMARY KEY (d_skymap, d_tract, cell),
                 FOREIGN KEY (d_skymap, d_tract) REFERENCES dim_tract (d_skymap, d_tract) ON DELETE CASCADE) WITHOUT ROWID;
CREATE TABLE cell_visit (d_instrument BIGINT NOT NULL, d_visit BIGINT NOT NULL, cell BIGINT NOT NULL, PRIMARY KEY (d_instrument, d_visit, cell),
                 FOREIGN KEY (d_instrument, d_visit) REFERENCES dim_visit (d_instrument, d_visit) ON DELETE CASCADE) WITHOUT ROWID;
CREATE TABLE cell_visit_detector_region (d_instrument BIGINT NOT NULL, d_visit BIGINT NOT NULL, d_detector BIGINT NOT NULL, cell BIGINT NOT NULL, PRIMARY KEY (d_instrument, d_visit, d_detector, cell),
                 FOREIGN KEY (d_instrument, d_visit, d_detector) REFERENCES dim_visit_detector_region (d_instrument, d_visit, d_detector) ON DELETE CASCADE) WITHOUT ROWID;
INSERT INTO "cell_visit_detector_region" VALUES(1,2,0,288419);
INSERT INTO "cell_visit_detector_region" VALUES(1,2,0,288422);
INSERT INTO "cell_visit_detector_region" VALUES(1,2,0,288425);
INSERT INTO "cell_visit_detector_region" VALUES(1,2,0,288428);
INSERT INTO "cell_visit_detector_region" VALUES(1,1,0,289108);
INSERT INTO "cell_visit_detector_region" VALUES(1,1,0,289109);
INSERT INTO "cell_visit_detector_region" VALUES(1,1,0,289111);
CREATE TABLE chain (parent BIGINT NOT NULL REFERENCES collection(id) ON DELETE CASCADE,
             position BIGINT NOT NULL, child BIGINT NOT NULL REFERENCES collection(id),
             PRIMARY KEY (parent, position));
INSERT INTO "chain" VALUES(4,0,1);
INSERT INTO "chain" VALUES(4,1,3);
CREATE TABLE collection (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, kind BIGINT NOT NULL,
             doc TEXT NOT NULL);
INSERT INTO "collection" VALUES(1,'u/run',1,'kept');
INSERT INTO "collection" VALUES(2,'u/bias',1,'kept');
INSERT INTO "collection" VALUES(3,'calib',4,'kept');
INSERT INTO "collection" VALUES(4,'all',2,'kept');
INSERT INTO "collection" VALUES(5,'tag',3,'kept');
CREATE TABLE config (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
INSERT INTO "config" VALUES(1,'a: 1');
CREATE TABLE counter (name TEXT PRIMARY KEY, next BIGINT NOT NULL);
INSERT INTO "counter" VALUES('dataset',6);
CREATE TABLE dataset (id INTEGER PRIMARY KEY, uuid BLOB NOT NULL UNIQUE,
             type BIGINT NOT NULL REFERENCES dataset_type(id),
             run BIGINT NOT NULL REFERENCES collection(id), ingest_ns BIGINT NOT NULL,
             quantum BIGINT REFERENCES quantum(id) ON DELETE SET NULL);
INSERT INTO "dataset" VALUES(1,X'01A20A6E9BA2742485ED9751281D6EB0',1,1,1795471350690234138,1);
INSERT INTO "dataset" VALUES(2,X'01A20A6E9BA2742485ED9751281D6EB1',1,1,1795471350690234138,1);
INSERT INTO "dataset" VALUES(3,X'01A20A6E9BA2742485ED9751281D6EB2',1,1,1795471350690234138,1);
INSERT INTO "dataset" VALUES(4,X'01A20A6E9BA2742485ED9751281D6EB3',1,1,1795471350690234138,1);
INSERT INTO "dataset" VALUES(5,X'01A20A6E9BB475F2BE44B4EA2B0420CF',2,2,1795471350708945606,NULL);
CREATE TABLE dataset_type (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,
             dimension_group BIGINT NOT NULL REFERENCES dimension_group(id),
             storage_class TEXT NOT NULL, is_calibration BIGINT NOT NULL, doc TEXT NOT NULL);
INSERT INTO "dataset_type" VALUES(1,'image',1,'Exposure',0,'');
INSERT INTO "dataset_type" VALUES(2,'bias',2,'Exposure',1,'');
CREATE TABLE dim_band (d_band BIGINT NOT NULL, PRIMARY KEY (d_band));
INSERT INTO "dim_band" VALUES(3);
CREATE TABLE dim_day_obs (d_instrument BIGINT NOT NULL, d_day_obs BIGINT NOT NULL, begin_ns BIGINT, end_ns BIGINT, PRIMARY KEY (d_instrument, d_day_obs), FOREIGN KEY (d_instrument) REFERENCES dim_instrument (d_instrument));
INSERT INTO "dim_day_obs" VALUES(1,20260101,NULL,NULL);
CREATE TABLE dim_detector (d_instrument BIGINT NOT NULL, d_detector BIGINT NOT NULL, f_full_name TEXT, f_raft TEXT, f_purpose TEXT, PRIMARY KEY (d_instrument, d_detector), FOREIGN KEY (d_instrument) REFERENCES dim_instrument (d_instrument));
INSERT INTO "dim_detector" VALUES(1,0,'D0',NULL,NULL);
INSERT INTO "dim_detector" VALUES(1,1,'D1',NULL,NULL);
CREATE TABLE dim_exposure (d_instrument BIGINT NOT NULL, d_exposure BIGINT NOT NULL, d_physical_filter BIGINT, d_day_obs BIGINT, d_group BIGINT, f_obs_id TEXT, f_seq_num BIGINT, f_observation_type TEXT, f_observation_reason TEXT, f_science_program TEXT, f_target_name TEXT, f_exposure_time_s REAL, f_dark_time_s REAL, f_tracking_ra_deg REAL, f_tracking_dec_deg REAL, f_sky_angle_deg REAL, f_airmass REAL, begin_ns BIGINT, end_ns BIGINT, region TEXT, PRIMARY KEY (d_instrument, d_exposure), FOREIGN KEY (d_instrument) REFERENCES dim_instrument (d_instrument), FOREIGN KEY (d_instrument, d_physical_filter) REFERENCES dim_physical_filter (d_instrument, d_physical_filter), FOREIGN KEY (d_instrument, d_day_obs) REFERENCES dim_day_obs (d_instrument, d_day_obs), FOREIGN KEY (d_instrument, d_group) REFERENCES dim_group (d_instrument, d_group));
CREATE TABLE dim_group (d_instrument BIGINT NOT NULL, d_group BIGINT NOT NULL, PRIMARY KEY (d_instrument, d_group), FOREIGN KEY (d_instrument) REFERENCES dim_instrument (d_instrument));
CREATE TABLE dim_instrument (d_instrument BIGINT NOT NULL, f_description TEXT, f_detector_count BIGINT, PRIMARY KEY (d_instrument));
INSERT INTO "dim_instrument" VALUES(1,NULL,NULL);
CREATE TABLE dim_patch (d_skymap BIGINT NOT NULL, d_tract BIGINT NOT NULL, d_patch BIGINT NOT NULL, f_cell_x BIGINT, f_cell_y BIGINT, region TEXT, PRIMARY KEY (d_skymap, d_tract, d_patch), FOREIGN KEY (d_skymap) REFERENCES dim_skymap (d_skymap), FOREIGN KEY (d_skymap, d_tract) REFERENCES dim_tract (d_skymap, d_tract));
CREATE TABLE dim_physical_filter (d_instrument BIGINT NOT NULL, d_physical_filter BIGINT NOT NULL, d_band BIGINT, PRIMARY KEY (d_instrument, d_physical_filter), FOREIGN KEY (d_instrument) REFERENCES dim_instrument (d_instrument), FOREIGN KEY (d_band) REFERENCES dim_band (d_band));
INSERT INTO "dim_physical_filter" VALUES(1,2,3);
CREATE TABLE dim_skymap (d_skymap BIGINT NOT NULL, f_description TEXT, f_hash TEXT, PRIMARY KEY (d_skymap));
CREATE TABLE dim_tract (d_skymap BIGINT NOT NULL, d_tract BIGINT NOT NULL, region TEXT, PRIMARY KEY (d_skymap, d_tract), FOREIGN KEY (d_skymap) REFERENCES dim_skymap (d_skymap));
CREATE TABLE dim_visit (d_instrument BIGINT NOT NULL, d_visit BIGINT NOT NULL, d_physical_filter BIGINT, d_day_obs BIGINT, f_name TEXT, f_seq_num BIGINT, f_science_program TEXT, f_target_name TEXT, f_exposure_time_s REAL, f_boresight_ra_deg REAL, f_boresight_dec_deg REAL, f_airmass REAL, begin_ns BIGINT, end_ns BIGINT, region TEXT, PRIMARY KEY (d_instrument, d_visit), FOREIGN KEY (d_instrument) REFERENCES dim_instrument (d_instrument), FOREIGN KEY (d_instrument, d_physical_filter) REFERENCES dim_physical_filter (d_instrument, d_physical_filter), FOREIGN KEY (d_instrument, d_day_obs) REFERENCES dim_day_obs (d_instrument, d_day_obs));
INSERT INTO "dim_visit" VALUES(1,1,2,20260101,NULL,NULL,NULL,NULL,30.0,NULL,NULL,NULL,1763684064000000000,1763684094000000000,NULL);
INSERT INTO "dim_visit" VALUES(1,2,2,20260101,NULL,NULL,NULL,NULL,30.0,NULL,NULL,NULL,1763684928000000000,1763684958000000000,NULL);
CREATE TABLE dim_visit_definition (d_instrument BIGINT NOT NULL, d_exposure BIGINT NOT NULL, d_visit BIGINT NOT NULL, PRIMARY KEY (d_instrument, d_exposure, d_visit), FOREIGN KEY (d_instrument) REFERENCES dim_instrument (d_instrument), FOREIGN KEY (d_instrument, d_exposure) REFERENCES dim_exposure (d_instrument, d_exposure), FOREIGN KEY (d_instrument, d_visit) REFERENCES dim_visit (d_instrument, d_visit));
CREATE TABLE dim_visit_detector_region (d_instrument BIGINT NOT NULL, d_visit BIGINT NOT NULL, d_detector BIGINT NOT NULL, region TEXT, PRIMARY KEY (d_instrument, d_visit, d_detector), FOREIGN KEY (d_instrument) REFERENCES dim_instrument (d_instrument), FOREIGN KEY (d_instrument, d_visit) REFERENCES dim_visit (d_instrument, d_visit), FOREIGN KEY (d_instrument, d_detector) REFERENCES dim_detector (d_instrument, d_detector));
INSERT INTO "dim_visit_detector_region" VALUES(1,1,0,'{"circle":{"ra":11.0,"dec":0.0,"radius":0.1}}');
INSERT INTO "dim_visit_detector_region" VALUES(1,2,0,'{"circle":{"ra":12.0,"dec":0.0,"radius":0.1}}');
CREATE TABLE dimension_group (id INTEGER PRIMARY KEY, dimensions TEXT NOT NULL UNIQUE);
INSERT INTO "dimension_group" VALUES(1,'instrument,visit,detector');
INSERT INTO "dimension_group" VALUES(2,'instrument,detector');
CREATE TABLE elqui_meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
INSERT INTO "elqui_meta" VALUES('schema_version','2');
INSERT INTO "elqui_meta" VALUES('dimensions','# The dimensions by which datasets are told apart, and what is kept about each of their values.
#
# An element with a `key` is a dimension; one without is a relation between dimensions.
# - requires: dimensions whose values are part of its identity (detector 3 of which instrument?)
# - implies: dimensions whose value follows from it (a visit has one physical filter)
# - fields: what its record holds besides; a name ends in its unit
# - spatial: its record has a region of the sky; temporal: a timespan, TAI
# The order of the elements is the order of the keys in data ids and in the registry''s indices.
version: 1
elements:
  instrument:
    doc: A camera or spectrograph. It numbers its own detectors, exposures and visits.
    key: text
    fields:
      description: { type: text, doc: One line that says what it is. }
      detector_count: { type: int, doc: How many detectors it has. }

  band:
    doc: A part of the spectrum that filters of many instruments share, such as r.
    key: text

  physical_filter:
    doc: One piece of glass in one instrument.
    key: text
    requires: [instrument]
    implies: [band]

  day_obs:
    doc: The night of an observation as YYYYMMDD, counted from noon to noon at the observatory.
    key: int
    requires: [instrument]
    temporal: true

  group:
    doc: Exposures that were asked for together, by the name that the scheduler gave them.
    key: text
    requires: [instrument]

  exposure:
    doc: One opening of the shutter, or one readout without light. Raw frames belong to exposures.
    key: int
    requires: [instrument]
    implies: [physical_filter, day_obs, group]
    temporal: true
    spatial: true
    fields:
      obs_id: { type: text, doc: The observatory''s own name of the exposure. }
      seq_num: { type: int, doc: Counts the exposures of a night. }
      observation_type: { type: text, doc: "science, bias, dark, flat, ..." }
      observation_reason: { type: text, doc: Why it was taken. }
      science_program: { type: text, doc: The survey or proposal. }
      target_name: { type: text, doc: Object or field that was aimed at. }
      exposure_time_s: { type: real, doc: Seconds with the shutter open. }
      dark_time_s: { type: real, doc: Seconds in which dark current was collected. }
      tracking_ra_deg: { type: real, doc: Right ascension of the boresight. }
      tracking_dec_deg: { type: real, doc: Declination of the boresight. }
      sky_angle_deg: { type: real, doc: Angle of the focal plane on the sky. }
      airmass: { type: real, doc: Airmass at the middle of the exposure. }

  visit:
    doc: Exposures of the sky with one pointing and one filter that are processed together; mostly one.
    key: int
    requires: [instrument]
    implies: [physical_filter, day_obs]
    temporal: true
    spatial: true
    fields:
      name: { type: text, doc: A name for people. }
      seq_num: { type: int, doc: Of its first exposure. }
      science_program: { type: text, doc: The survey or proposal. }
      target_name: { type: text, doc: Object or field that was aimed at. }
      exposure_time_s: { type: real, doc: Sum over its exposures. }
      boresight_ra_deg: { type: real, doc: Right ascension of the boresight. }
      boresight_dec_deg: { type: real, doc: Declination of the boresight. }
      airmass: { type: real, doc: Airmass at the middle of the visit. }

  detector:
    doc: One sensor of an instrument, not an observation with it.
    key: int
    requires: [instrument]
    fields:
      full_name: { type: text, doc: The instrument''s name for it. }
      raft: { type: text, doc: The group of detectors that it belongs to. }
      purpose: { type: text, doc: "SCIENCE, WAVEFRONT, GUIDE, ..." }

  skymap:
    doc: A division of the sky into tracts and patches.
    key: text
    fields:
      description: { type: text, doc: One line that says what it is. }
      hash: { type: text, doc: Of its parameters; two skymaps of one name must agree. }

  tract:
    doc: A large part of a skymap with one projection.
    key: int
    requires: [skymap]
    spatial: true

  patch:
    doc: A square of a tract, the size of a coadded image.
    key: int
    requires: [skymap, tract]
    spatial: true
    fields:
      cell_x: { type: int, doc: Its column in the tract. }
      cell_y: { type: int, doc: Its row in the tract. }

  healpix:
    doc: A HEALPix cell of any order as its NUNIQ number, 4 * 4^order + nested index (IVOA MOC 2.0).
    key: int
    stored: false

  visit_detector_region:
    doc: Where on the sky one detector looked in one visit.
    requires: [instrument, visit, detector]
    spatial: true

  visit_definition:
    doc: Which exposures make up a visit.
    requires: [instrument, exposure, visit]
');
CREATE TABLE member_1 (collection BIGINT NOT NULL REFERENCES collection(id),
                 type BIGINT NOT NULL, d_instrument BIGINT NOT NULL, d_visit BIGINT NOT NULL, d_detector BIGINT NOT NULL,  dataset BIGINT NOT NULL REFERENCES dataset(id) ON DELETE CASCADE,
             PRIMARY KEY (collection, type, d_instrument, d_visit, d_detector), FOREIGN KEY (d_instrument, d_visit) REFERENCES dim_visit (d_instrument, d_visit), FOREIGN KEY (d_instrument, d_detector) REFERENCES dim_detector (d_instrument, d_detector)) WITHOUT ROWID;
INSERT INTO "member_1" VALUES(1,1,1,1,0,1);
INSERT INTO "member_1" VALUES(5,1,1,1,0,1);
INSERT INTO "member_1" VALUES(1,1,1,1,1,2);
INSERT INTO "member_1" VALUES(1,1,1,2,0,3);
INSERT INTO "member_1" VALUES(1,1,1,2,1,4);
CREATE TABLE member_2 (collection BIGINT NOT NULL REFERENCES collection(id),
                 type BIGINT NOT NULL, d_instrument BIGINT NOT NULL, d_detector BIGINT NOT NULL,  dataset BIGINT NOT NULL REFERENCES dataset(id) ON DELETE CASCADE,
             PRIMARY KEY (collection, type, d_instrument, d_detector), FOREIGN KEY (d_instrument, d_detector) REFERENCES dim_detector (d_instrument, d_detector)) WITHOUT ROWID;
INSERT INTO "member_2" VALUES(2,2,1,1,5);
CREATE TABLE quantum (id INTEGER PRIMARY KEY, uuid BLOB NOT NULL UNIQUE,
             run BIGINT NOT NULL REFERENCES collection(id) ON DELETE CASCADE, step TEXT NOT NULL,
             data_id TEXT NOT NULL, config BIGINT NOT NULL REFERENCES config(id),
             software TEXT NOT NULL, host TEXT NOT NULL, started_ns BIGINT NOT NULL,
             wall_s REAL NOT NULL, cpu_s REAL NOT NULL, peak_memory_bytes BIGINT);
INSERT INTO "quantum" VALUES(1,X'01A20A6E9BA171D1A94355786EDB83AB',1,'isr','{"detector":0,"instrument":"Sim","visit":1}',1,'elqui','here',1,1.5,1.0,7);
CREATE TABLE quantum_input (quantum BIGINT NOT NULL REFERENCES quantum(id) ON DELETE CASCADE,
             dataset BLOB NOT NULL, PRIMARY KEY (quantum, dataset)) WITHOUT ROWID;
INSERT INTO "quantum_input" VALUES(1,X'01A20A6E9BA171D1A94355786EDB83AC');
CREATE TABLE word (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
INSERT INTO "word" VALUES(1,'Sim');
INSERT INTO "word" VALUES(2,'Sim-r');
INSERT INTO "word" VALUES(3,'r');
INSERT INTO "word" VALUES(4,'fits');
CREATE INDEX chain_child ON chain(child);
CREATE INDEX dataset_quantum ON dataset(quantum) WHERE quantum IS NOT NULL;
CREATE INDEX quantum_input_dataset ON quantum_input(dataset);
CREATE INDEX cell_exposure_cell ON cell_exposure(cell);
CREATE INDEX cell_visit_cell ON cell_visit(cell);
CREATE INDEX cell_tract_cell ON cell_tract(cell);
CREATE INDEX cell_patch_cell ON cell_patch(cell);
CREATE INDEX cell_visit_detector_region_cell ON cell_visit_detector_region(cell);
CREATE INDEX member_1_dataset ON member_1(dataset);
CREATE INDEX calib_1_dataset ON calib_1(dataset);
CREATE INDEX member_2_dataset ON member_2(dataset);
CREATE INDEX calib_2_dataset ON calib_2(dataset);
COMMIT;
